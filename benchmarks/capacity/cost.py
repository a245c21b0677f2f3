"""Cost of a request to a worker: CPU seconds, bytes on the wire, memory. CPU time is from /proc, not the clock."""

import statistics
from collections import defaultdict

from benchmarks.capacity.requests import Kind, kinds
from benchmarks.hardening.load import Load
from benchmarks.processes import cpu_seconds, total
from tests.server import ROOT, serving
from training.markdown import table

_GATHERED = 16  # concurrent requests while memory is measured: twice the threads


def main(rounds: int) -> None:
    """Print a table of the costs, measured on one worker with the kinds in turns."""
    rows = []
    for kind, seconds in _costs(rounds):
        milliseconds = [1e3 * each for each in seconds]
        spread = f"{statistics.median(milliseconds):.2f} ({min(milliseconds):.2f} to {max(milliseconds):.2f})"
        rows.append([kind.name, spread, f"{rounds * kind.round:,}", *_sizes(kind)])
    head = "request", "CPU ms (median, range over the rounds)", "requests", "bytes in", "bytes out", "peak RSS, MB"
    print(table(head, rows))


def _costs(rounds: int) -> list[tuple[Kind, list[float]]]:
    """Return the CPU seconds of a request by kind, one value a round; each round sends all kinds in turn."""
    measured, found = kinds(), defaultdict[str, list[float]](list)
    with serving(MODELS_DIR=ROOT / "models") as server:
        for number in range(rounds + 1):  # the first one warms up
            for kind in measured:
                before, client = cpu_seconds(server.workers()), Load(server.port, kind.requests, 1)
                client.run(kind.round)
                assert {answer.status for answer in client.answers} == {200}, "too busy for one request at a time"
                if number:
                    found[kind.name].append((cpu_seconds(server.workers()) - before) / kind.round)
    return [(kind, found[kind.name]) for kind in measured]


def _sizes(kind: Kind) -> tuple[str, str, str]:
    """Return mean bytes of a request and of its answer, and peak memory of a fresh worker under concurrent requests."""
    with serving(MODELS_DIR=ROOT / "models") as server:
        clients = Load(server.port, kind.requests, _GATHERED, read=len)
        clients.run(_GATHERED)
        peak = total(server.workers(), "VmHWM") * 1024e-6
    sent, received = map(len, kind.requests), (answer.read for answer in clients.answers)
    return f"{statistics.mean(sent):,.0f}", f"{statistics.mean(received):,.0f}", f"{peak:.0f}"
