"""The server is stopped under load, and replicas are restarted in turn."""

import time

from benchmarks.hardening import load
from benchmarks.hardening.proxied import compose
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import GRACE_SECONDS, service
from tests.deployment import Deployment
from tests.deployment import run as docker

TITLE = "SIGTERM under load, and a rolling restart behind the proxy"
EXPECTED = "every request received is answered; exit within the grace time; the restart loses none"

_CLIENTS = 8
# A refused connection means the request was never received.
_IN_ORDER = (200, 503, load.NEVER_CONNECTED)


def run(score: Score) -> None:
    """Stop the server several times, then restart each replica."""
    for stop in range(score.choose(3, 20)):
        _stop(score, stop)
    if deployment := compose(score):
        _roll(score, score.choose(1, 3), deployment)


def _stop(score: Score, number: int) -> None:
    with service() as server, load.running_load(server.port, load.digits(), _CLIENTS) as clients:
        time.sleep(0.5 + score.rng.random())
        started = time.monotonic()
        status = server.stop()
        seconds = time.monotonic() - started
        time.sleep(0.2)
    lost = sum(answer.status not in _IN_ORDER for answer in clients.answers)
    score.check(not lost, f"stop {number}: {lost} requests lost of {len(clients.answers)}")
    score.check(status == 0 and seconds < GRACE_SECONDS, f"stop {number}: exit {status} after {seconds:.1f} s")


def _roll(score: Score, times: int, deployment: Deployment) -> None:
    with load.running_load(deployment.port, load.digits(), _CLIENTS) as clients:
        for _ in range(times):
            for container in deployment.containers("service"):
                docker("docker", "restart", container["Id"])
                deployment.wait_for_replicas(2)
        time.sleep(1)
    score.check_answers(clients.answers, "rolling restart")
    score.note(f"rolling restarts of both replicas: {times}, {len(clients.answers)} requests meanwhile")
