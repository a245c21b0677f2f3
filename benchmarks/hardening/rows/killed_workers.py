"""A worker is killed under load."""

import time
from contextlib import suppress
from pathlib import Path

from benchmarks.hardening import load
from benchmarks.hardening.proxied import compose, python
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import kill_worker, service
from tests.deployment import Deployment

TITLE = "kill -9 of a worker under load, direct and behind the proxy"
EXPECTED = "behind the proxy none lost; direct, at most what that worker held; back in 3 s"

_CLIENTS = 8
_BACK_SECONDS = 3.0
_KILL = """
import os, signal
workers = open("/proc/1/task/1/children").read().split()
os.kill(int(workers[{} % len(workers)]), signal.SIGKILL)
print("null")
"""


def run(score: Score) -> None:
    """Kill workers in turn, each after the previous one is replaced."""
    times = score.choose(4, 20)
    _direct(score, times)
    if deployment := compose(score):
        _proxied(score, times, deployment)


def _direct(score: Score, times: int) -> None:
    rng, slowest, lost = score.rng, 0.0, 0
    with service() as server, load.running_load(server.port, load.digits(), _CLIENTS) as clients:
        for kill in range(times):
            time.sleep(0.5 + rng.random())
            before, victim = len(clients.answers), rng.choice(server.workers())
            held = _sockets(victim)
            seconds = kill_worker(server, victim)
            time.sleep(0.5)
            failed = len(load.failed(clients.answers[before:]))
            score.check(failed <= held, f"kill {kill}: {failed} requests lost, the worker held {held}")
            score.check(seconds < _BACK_SECONDS, f"kill {kill}: back after {seconds:.1f} s")
            slowest, lost = max(slowest, seconds), lost + failed
    score.note(f"direct: {len(clients.answers)} requests, {lost} lost; back after {slowest:.2f} s at most")


def _sockets(pid: int) -> int:
    """Return the number of client connections of a worker: its sockets without the listening one."""
    found = -1
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            found += str(entry.readlink()).startswith("socket:")
    return found


def _proxied(score: Score, times: int, deployment: Deployment) -> None:
    rng, victims = score.rng, [container["Id"] for container in deployment.containers("service")]
    with load.running_load(deployment.port, load.digits(), _CLIENTS) as clients:
        for _ in range(times):
            time.sleep(1 + rng.random())
            python(rng.choice(victims), _KILL.format(rng.randrange(2)))
        time.sleep(2)
    score.check_answers(clients.answers, "behind the proxy")
    score.note(f"behind the proxy: {len(clients.answers)} requests, {times} kills")
