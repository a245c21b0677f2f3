"""Cost of a request to a worker: CPU seconds, bytes on the wire, memory. CPU time is from /proc, not the clock."""

import asyncio
import itertools
import statistics

from benchmarks.capacity.requests import Connection, Kind, kinds
from benchmarks.processes import cpu_seconds, total
from tests.server import ROOT, Server, running

_GATHERED = 16  # concurrent requests while memory is measured: twice the threads


def main(rounds: int) -> None:
    """Print a table of the costs, measured on one worker with the kinds in turns."""
    print("| request | CPU ms (median, range over the rounds) | requests | bytes in | bytes out | peak RSS, MB |")
    print("|---|---|---|---|---|---|")
    found = asyncio.run(_costs(kinds(), rounds))
    for kind in kinds():
        milliseconds = [1e3 * seconds for seconds in found[kind.name]]
        spread = f"{statistics.median(milliseconds):.2f} ({min(milliseconds):.2f} to {max(milliseconds):.2f})"
        sent, received, peak = asyncio.run(_sizes(kind))
        print(
            f"| {kind.name} | {spread} | {rounds * kind.round:,} | {sent:,} | {received:,} | {peak:.0f} |", flush=True
        )


async def _costs(measured: list[Kind], rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a request by kind, one value a round; each round sends all kinds in turn."""
    found: dict[str, list[float]] = {kind.name: [] for kind in measured}
    with running(MODELS_DIR=ROOT / "models") as server:
        server.wait_for("/readyz")
        connection = Connection(server.port)
        for number in range(rounds + 1):  # the first one warms up
            for kind in measured:
                seconds = await _cost(server, connection, kind)
                if number:
                    found[kind.name].append(seconds)
        connection.close()
    return found


async def _cost(server: Server, connection: Connection, kind: Kind) -> float:
    before = cpu_seconds(server.workers())
    for request in itertools.islice(itertools.cycle(kind.requests), kind.round):
        assert await connection.send(request), "the service was too busy for one request at a time"
    return (cpu_seconds(server.workers()) - before) / kind.round


async def _sizes(kind: Kind) -> tuple[int, int, float]:
    """Return mean bytes of a request and of its answer, and peak memory of a fresh worker under concurrent requests."""
    with running(MODELS_DIR=ROOT / "models") as server:
        server.wait_for("/readyz")
        connections = [Connection(server.port) for _ in range(_GATHERED)]
        requests = list(itertools.islice(itertools.cycle(kind.requests), _GATHERED))
        answers = await asyncio.gather(*(c.send(r) for c, r in zip(connections, requests, strict=True)))
        for connection in connections:
            connection.close()
        peak = total(server.workers(), "VmHWM") * 1024e-6
    return round(statistics.mean(map(len, requests))), round(statistics.mean(answers)), peak
