"""Slow clients of four kinds, direct and behind the proxy, beside healthy ones."""

import time

from benchmarks.hardening import load, slow
from benchmarks.hardening.proxied import compose
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service

TITLE = "slow clients: silent, dripping headers, dripping a body, reading slowly"
EXPECTED = "healthy clients: none fails, p99 at most twice the quiet one; recovered within 15 s"

_CLIENTS = 2
_RECOVERY_SECONDS = 15


def run(score: Score) -> None:
    """Measure the healthy clients before, during and after each attack."""
    with service() as server:
        _attack(score, server.port, "direct")
    if deployment := compose(score):
        _attack(score, deployment.port, "proxy")


def _attack(score: Score, port: int, way: str) -> None:
    seconds, many, few = score.choose(3, 20), score.choose(200, 500), score.choose(80, 200)
    _measure(port, 1)
    for kind, count in ((slow.SILENT, many), (slow.HEADERS, many), (slow.BODY, few), (slow.READING, few)):
        quiet, _ = _measure(port, seconds)
        with slow.slow_clients(port, kind, count) as cut_off:
            time.sleep(1)
            during, failed = _measure(port, seconds)
            ended = cut_off()
        since = time.monotonic()
        after, failed_after = _measure(port, 1)
        recovered = time.monotonic() - since
        name = f"{way}, {count} {kind.name}"
        score.check(failed == 0, f"{name}: {failed} healthy requests failed")
        score.check(during <= 2 * quiet, f"{name}: p99 {during * 1000:.0f} ms, quiet {quiet * 1000:.0f} ms")
        score.check(failed_after == 0 and recovered < _RECOVERY_SECONDS, f"{name}: not recovered, p99 {after:.3f} s")
        score.note(f"{name}: p99 {quiet * 1000:.0f} -> {during * 1000:.0f} ms; {ended} cut off")


def _measure(port: int, seconds: float) -> tuple[float, int]:
    """Return p99 latency of healthy clients in seconds, and how many requests failed."""
    with load.running_load(port, load.digits(), _CLIENTS) as clients:
        time.sleep(seconds)
    times = [answer.seconds for answer in clients.answers]
    return load.percentile(times, 0.99), len(load.failed(clients.answers))
