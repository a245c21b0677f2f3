"""What is done to the stack, in this order: deployed, updated, updated wrongly, robbed of a node."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from benchmarks.hardening import load
from benchmarks.hardening.score import Score
from benchmarks.swarm.asking import Row, asked, failed, large_pictures
from benchmarks.swarm.engines import HERE, Engine
from benchmarks.swarm.images import PROXY, Images
from benchmarks.swarm.stack import Stack
from service.contract import MODEL_NAME
from tests import drawing
from tests.deployment import until

_LARGE = 3  # clients with large pictures at each proxy when a node is lost


def deployed(stack: Stack, images: Images) -> Row:
    """Deploy: a replica on each node, confined; each node's proxy asks all replicas and knows its clients."""
    row, started = Row("the stack is deployed"), time.monotonic()
    stack.deploy(images.first)
    stack.wait_for(len(stack.nodes))
    stack.wait_for(len(stack.nodes), "proxy")
    row.seconds = time.monotonic() - started
    with asked(row, stack.nodes):
        time.sleep(5)
    where = [task.node for task in stack.running()]
    row.score.hold(len(set(where)) == len(stack.nodes), f"the replicas are on {where}")
    _served_throughout(row, stack, images.first, images.version)
    for node in stack.nodes:
        _confined(row.score, node)
        lines = _proxied(node)
        row.score.hold({line["remote"] for line in lines} >= {HERE}, f"{node.name}: does not know its clients")
        replicas = {line["replica"] for line in lines if line["status"] == 200}
        row.score.hold(len(replicas) == len(stack.nodes), f"{node.name}: its proxy asked {replicas}")
    return row


def newer_image(stack: Stack, images: Images) -> Row:
    """Update to an image with the same model."""
    return _updated("a newer image", stack, images.newer_code, images.version)


def newer_model(stack: Stack, images: Images) -> Row:
    """Update to an image with a newer model."""
    return _updated("an image with a newer model", stack, images.newer_model, images.newer_version)


def broken_model(stack: Stack, images: Images) -> Row:
    """Update to an image whose model is refused: the new replica is never ready, so the swarm goes back by itself."""
    row = Row("an image whose model is broken: taken back")
    with asked(row, stack.nodes):
        time.sleep(2)
        row.seconds = stack.update(images.broken_model, "rollback_completed")
        time.sleep(2)
    logs = [
        "\n".join(node.logged(container))
        for node in stack.nodes
        for container in node.docker("ps", "--all", "--quiet", "--filter", f"ancestor={images.broken_model}").split()
    ]
    row.score.hold(len(logs) > 0, "no replica was started with it, so nothing was tried")
    row.score.hold(not any("Serving " in log for log in logs), f"one with it served: {logs}")
    row.score.note(f"{len(logs)} replicas were started with it, none of them served")
    _served_throughout(row, stack, images.newer_model, images.newer_version)
    return row


def lost_node(stack: Stack, images: Images) -> Row:
    """Pull the cable of the node that leads the swarm, and kill all that runs on it: no connection gets a goodbye."""
    row, lost = Row("the leader's node is lost"), _leader(stack)
    left = [node for node in stack.nodes if node != lost]
    with asked(row, left):
        time.sleep(4)
        with large_pictures(row, left, _LARGE):
            time.sleep(1)
            gone = time.monotonic()
            lost.cut_off()
            lost.kill()
            time.sleep(1)
        rest = Stack(left[0], left)
        until(lambda: _running_on(rest, left) == len(stack.nodes), 180, "the replicas are there again")
        row.seconds = time.monotonic() - gone
        time.sleep(10)
    _only_held_ones_failed(row, gone)
    _note_second_tries(row.score, left, time.time() - (time.monotonic() - gone))
    _serves(row.score, rest, images.newer_model, images.newer_version)
    return row


ROWS = (deployed, newer_image, newer_model, broken_model, lost_node)


def _updated(title: str, stack: Stack, image: str, version: str) -> Row:
    row = Row(title)
    with asked(row, stack.nodes):
        time.sleep(2)
        row.seconds = stack.update(image, "completed")
        time.sleep(2)
    _served_throughout(row, stack, image, version)
    return row


def _served_throughout(row: Row, stack: Stack, image: str, version: str) -> None:
    for answer in row.answers:
        row.score.hold(answer.status == 200, f"request {answer.number}: status {answer.status}")
    _serves(row.score, stack, image, version)


def _serves(score: Score, stack: Stack, image: str, version: str) -> None:
    """Look whether that image runs everywhere, and whether every proxy's answers are those of that version."""
    running = [task for task in stack.running() if task.node in {node.name for node in stack.nodes}]
    score.hold({task.image for task in running} == {image}, f"not {image} but {running} runs")
    score.note(f"replicas on {', '.join(sorted(task.node for task in running))}")
    for proxy in stack.proxies():
        answers = [proxy.predict(drawing.png(7)) for _ in range(6)]
        wanted = {"name": MODEL_NAME, "version": version}
        score.hold(all(answer["model"] == wanted and answer["digit"] == 7 for answer in answers), f"answers: {answers}")


def _confined(score: Score, node: Engine) -> None:
    """Look at the containers of a node, as the engine and as the kernel sees them."""
    ordinary = ("run", "--rm", PROXY)
    score.hold(_gets_out(node, *ordinary), f"{node.name}: even an ordinary container gets no answer from outside")
    for container in json.loads(node.docker("inspect", *node.docker("ps", "--quiet").split())):
        name, limits = container["Name"], container["HostConfig"]
        status = node.docker("exec", container["Id"], "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        score.hold("0" not in fields["Uid"].split(), f"{name}: user {fields['Uid']}")
        score.hold(int(fields["CapBnd"], 16) == 0, f"{name}: capabilities {fields['CapBnd']}")
        score.hold(fields["NoNewPrivs"] == "1", f"{name}: new privileges")
        score.hold(limits["ReadonlyRootfs"], f"{name}: its file system can be written to")
        score.hold(not _gets_out(node, "exec", container["Id"]), f"{name}: gets an answer from outside")
        unlimited = [limit for limit in ("Memory", "NanoCpus", "PidsLimit") if not limits[limit]]
        score.hold(not unlimited, f"{name}: no limit of {unlimited}")


def _gets_out(node: Engine, *command: str) -> bool:
    """Return whether a container gets an answer from this machine, which is that nobody listens there."""
    script = f"timeout 3 bash -c '</dev/tcp/{HERE}/9' 2>&1 || true"
    return "refused" in node.docker(*command, "bash", "-c", script)


def _proxied(node: Engine) -> list[Any]:
    """Return what a node's proxy has logged of the pictures that were sent to it."""
    [proxy] = node.docker("ps", "--quiet", "--filter", "name=proxy").split()
    lines = [json.loads(line) for line in node.logged(proxy) if line.startswith("{")]
    return [line for line in lines if line["path"] == "/predict"]


def _leader(stack: Stack) -> Engine:
    lines = stack.manager.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
    leaders = {name for name, _, status in (line.partition(" ") for line in lines) if status == "Leader"}
    return next(node for node in stack.nodes if node.name in leaders)


def _running_on(stack: Stack, nodes: list[Engine]) -> int:
    """Return how many replicas run there; what ran on a lost node is said to run until the swarm has given it up."""
    names = {node.name for node in nodes}
    try:
        return sum(task.node in names for task in stack.running())
    except AssertionError:  # the swarm has no leader yet
        return 0


def _only_held_ones_failed(row: Row, gone: float) -> None:
    """Hold that no request failed but some of those that were under way when the node went; note what others felt."""
    held = [answer for answer in row.answers if answer.at - answer.seconds <= gone < answer.at]
    row.score.hold(len(held) > 0, "no request was under way, so nothing was tried")
    for answer in row.answers:
        row.score.hold(answer.status == 200 or answer in held, f"asked after the loss: status {answer.status}")
    row.score.note(f"{len(held)} under way at the loss, {len(failed(held))} of them failed; {_longest(held)}")


def _note_second_tries(score: Score, nodes: Sequence[Engine], since: float) -> None:
    """Note how many requests the proxies asked of another replica since a moment of the wall clock, in seconds."""
    ends = [
        datetime.fromisoformat(line["time"]).timestamp()
        for node in nodes
        for line in _proxied(node)
        if "," in line["replica"]
    ]
    late = [end - since for end in ends if end > since]
    score.note(
        f"{len(late)} were asked of a second replica, the last one {max(late, default=0.0):.0f} s after the loss"
    )


def _longest(answers: list[load.Answer]) -> str:
    return f"the longest took {max((answer.seconds for answer in answers), default=0.0):.1f} s"
