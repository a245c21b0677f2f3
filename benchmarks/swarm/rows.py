"""The steps in order: deploy, update, bad update, loss of a node."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from benchmarks.hardening import load
from benchmarks.hardening.rows.confinement import check_process
from benchmarks.hardening.score import Score
from benchmarks.swarm.clients import Row, large_picture, under_load
from benchmarks.swarm.engines import HERE, Engine
from benchmarks.swarm.images import PROXY, Images
from benchmarks.swarm.stack import Stack
from service.contract import MODEL_NAME
from tests import drawing
from tests.deployment import until

_LARGE = 3  # clients with large pictures at each proxy when a node is lost


def deployed(stack: Stack, images: Images) -> Row:
    """Deploy: one confined replica on each node; each node's proxy uses all replicas and sees client addresses."""
    row, started = Row("the stack is deployed"), time.monotonic()
    stack.deploy(images.first)
    stack.wait_for(len(stack.nodes))
    stack.wait_for(len(stack.nodes), "proxy")
    row.seconds = time.monotonic() - started
    with under_load(row, stack.nodes):
        time.sleep(5)
    where = [task["Node"] for task in stack.running()]
    row.score.check(len(set(where)) == len(stack.nodes), f"the replicas are on {where}")
    _served_throughout(row, stack, images.first, images.version)
    for node in stack.nodes:
        _confined(row.score, node)
        lines = _proxied(node)
        row.score.check({line["remote"] for line in lines} >= {HERE}, f"{node.name}: does not know its clients")
        replicas = {line["replica"].split()[-1] for line in lines if line["status"] == 200}  # the last asked
        row.score.check(len(replicas) == len(stack.nodes), f"{node.name}: its proxy used {replicas}")
    return row


def newer_image(stack: Stack, images: Images) -> Row:
    """Update to an image with the same model."""
    return _updated("a newer image", stack, images.newer_code, images.version)


def newer_model(stack: Stack, images: Images) -> Row:
    """Update to an image with a newer model."""
    return _updated("an image with a newer model", stack, images.newer_model, images.newer_version)


def broken_model(stack: Stack, images: Images) -> Row:
    """Update to an image whose model is rejected: the replica never gets ready, so the swarm rolls back."""
    row = Row("an image whose model is broken: rolled back")
    with under_load(row, stack.nodes):
        time.sleep(2)
        row.seconds = stack.update(images.broken_model, "rollback_completed")
        time.sleep(2)
    logs = [
        "\n".join(node.logged(container))
        for node in stack.nodes
        for container in node.docker("ps", "--all", "--quiet", "--filter", f"ancestor={images.broken_model}").split()
    ]
    row.score.check(len(logs) > 0, "no replica was started with it, so nothing was tested")
    row.score.check(not any("Serving " in log for log in logs), f"one with it served: {logs}")
    row.score.note(f"{len(logs)} replicas were started with it, none of them served")
    _served_throughout(row, stack, images.newer_model, images.newer_version)
    return row


def lost_node(stack: Stack, images: Images) -> Row:
    """Disconnect the leading manager and kill everything on it, without closing connections."""
    row, lost = Row("the leader's node is lost"), _leader(stack)
    left = [node for node in stack.nodes if node != lost]
    with under_load(row, left):
        time.sleep(4)
        with under_load(row, left, large_picture(), _LARGE, rate=0):
            time.sleep(1)
            gone = time.monotonic()
            lost.cut_off()
            lost.kill()
            time.sleep(1)
        rest = Stack(left[0], left)
        until(lambda: _running_on(rest, left) == len(stack.nodes), 180, "the replicas are there again")
        row.seconds = time.monotonic() - gone
        time.sleep(10)
    _only_in_flight_failed(row, gone)
    _note_retries(row.score, left, time.time() - (time.monotonic() - gone))
    _serves(row.score, rest, images.newer_model, images.newer_version)
    return row


ROWS = (deployed, newer_image, newer_model, broken_model, lost_node)


def _updated(title: str, stack: Stack, image: str, version: str) -> Row:
    row = Row(title)
    with under_load(row, stack.nodes):
        time.sleep(2)
        row.seconds = stack.update(image, "completed")
        time.sleep(2)
    _served_throughout(row, stack, image, version)
    return row


def _served_throughout(row: Row, stack: Stack, image: str, version: str) -> None:
    row.score.check_answers(row.answers, row.title)
    _serves(row.score, stack, image, version)


def _serves(score: Score, stack: Stack, image: str, version: str) -> None:
    """Check that `image` runs everywhere, and that every proxy answers from `version`."""
    running = [task for task in stack.running() if task["Node"] in {node.name for node in stack.nodes}]
    score.check({task["Image"] for task in running} == {image}, f"not {image} but {running} runs")
    score.note(f"replicas on {', '.join(sorted(task['Node'] for task in running))}")
    for proxy in stack.proxies():
        answers = [proxy.predict(drawing.png(7)) for _ in range(6)]
        wanted = {"name": MODEL_NAME, "version": version}
        score.check(
            all(answer["model"] == wanted and answer["digit"] == 7 for answer in answers), f"answers: {answers}"
        )


def _confined(score: Score, node: Engine) -> None:
    """Check the confinement of the containers of a node, as the engine and as the kernel report it."""
    ordinary = ("run", "--rm", "--entrypoint=", PROXY)
    score.check(_gets_out(node, *ordinary), f"{node.name}: even an ordinary container gets no answer from outside")
    for container in json.loads(node.docker("inspect", *node.docker("ps", "--quiet").split())):
        name, limits = container["Name"], container["HostConfig"]
        check_process(score, name, node.docker("exec", container["Id"], "cat", "/proc/1/status"))
        score.check(limits["ReadonlyRootfs"], f"{name}: its file system can be written to")
        score.check(not _gets_out(node, "exec", container["Id"]), f"{name}: gets an answer from outside")
        unlimited = [limit for limit in ("Memory", "NanoCpus", "PidsLimit") if not limits[limit]]
        score.check(not unlimited, f"{name}: no limit of {unlimited}")


def _gets_out(node: Engine, *command: str) -> bool:
    """Whether a container reaches this machine: it gets "connection refused" if so."""
    script = f"timeout 3 bash -c '</dev/tcp/{HERE}/9' 2>&1 || true"
    return "refused" in node.docker(*command, "bash", "-c", script)


def _proxied(node: Engine) -> list[Any]:
    """Return the access log of a node's proxy for /predict."""
    [proxy] = node.docker("ps", "--quiet", "--filter", "name=proxy").split()
    lines = [json.loads(line) for line in node.logged(proxy) if line.startswith("{")]
    return [line for line in lines if line["path"] == "/predict"]


def _leader(stack: Stack) -> Engine:
    lines = stack.manager.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
    leaders = {name for name, _, status in (line.partition(" ") for line in lines) if status == "Leader"}
    return next(node for node in stack.nodes if node.name in leaders)


def _running_on(stack: Stack, nodes: list[Engine]) -> int:
    """Return the number of replicas on `nodes`; tasks on a lost node count as running until the swarm gives it up."""
    names = {node.name for node in nodes}
    try:
        return sum(task["Node"] in names for task in stack.running())
    except AssertionError:  # no leader elected yet
        return 0


def _only_in_flight_failed(row: Row, gone: float) -> None:
    """Check that only requests in flight at the loss failed, and note their latency."""
    held = [answer for answer in row.answers if answer.at - answer.seconds <= gone < answer.at]
    row.score.check(len(held) > 0, "no request was in flight, so nothing was tested")
    for answer in row.answers:
        row.score.check(answer.status == 200 or answer in held, f"sent after the loss: status {answer.status}")
    longest = max((answer.seconds for answer in held), default=0.0)
    failed = len(load.failed(held))
    row.score.note(f"{len(held)} in flight at the loss, {failed} of them failed; the longest took {longest:.1f} s")


def _note_retries(score: Score, nodes: Sequence[Engine], since: float) -> None:
    """Note how many requests the proxies retried on another replica after `since`, a Unix time."""
    ends = [
        datetime.fromisoformat(line["time"]).timestamp()
        for node in nodes
        for line in _proxied(node)
        if "," in line["replica"]
    ]
    late = [end - since for end in ends if end > since]
    score.note(
        f"{len(late)} were retried on a second replica, the last one {max(late, default=0.0):.0f} s after the loss"
    )
