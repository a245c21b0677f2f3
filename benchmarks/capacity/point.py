"""One point of the simulation checked on the real service: one worker, Poisson arrivals.

Requests sent one at a time give the service times; then the same requests arrive as a Poisson process. Other load
distorts both, so several rounds run and the one with the least stolen time counts: the wall time of sequential requests
beyond the worker's CPU time.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.capacity.queueing import Times, simulate
from benchmarks.capacity.requests import Connection, Kind
from benchmarks.processes import cpu_seconds
from tests.server import ROOT, Server, running

_CONNECTIONS = 64


@dataclass(frozen=True)
class Round:
    """Seconds of requests, sequential and arriving (NaN if rejected), and CPU seconds of one request."""

    alone: Times
    arriving: Times
    cpu: float
    cpu_arriving: float

    @property
    def stolen(self) -> float:
        return float(self.alone.mean() / self.cpu - 1)


def main(kind: Kind, load: float, rounds: int, threads: int) -> None:
    """Print measured and simulated quantiles of each round, the least disturbed last."""
    found = asyncio.run(_rounds(kind, load, rounds, threads))
    print(f"{kind.name}, one worker of {threads} threads, load {load:.0%}, {kind.round} requests a round")
    for each in sorted(found, key=lambda one: -one.stolen):
        simulated = simulate(each.alone, load=load, servers=1, balance="random", threads=threads)
        quantiles = [
            " ".join(f"{1e3 * value:7.1f}" for value in np.nanquantile(took, (0.5, 0.9, 0.99)))
            + f" ({np.isnan(took).mean():.1%} rejected)"
            for took in (each.alone, each.arriving, simulated)
        ]
        print(
            f"stolen {each.stolen:5.0%}; CPU ms {1e3 * each.cpu:.2f} alone, {1e3 * each.cpu_arriving:.2f} arriving; "
            f"ms at p50, p90, p99: alone {quantiles[0]}; measured {quantiles[1]}; simulated {quantiles[2]}"
        )


async def _rounds(kind: Kind, load: float, rounds: int, threads: int) -> list[Round]:
    with running(MODELS_DIR=ROOT / "models", LOG_LEVEL="warning", THREADS=threads) as server:
        server.wait_for("/readyz")
        await _alone(server, kind)
        return [await _round(server, kind, load, seed) for seed in range(rounds)]


async def _round(server: Server, kind: Kind, load: float, seed: int) -> Round:
    before = cpu_seconds(server.workers())
    alone = await _alone(server, kind)
    cpu = (cpu_seconds(server.workers()) - before) / kind.round
    before = cpu_seconds(server.workers())
    arriving = await _arriving(server, kind, alone.mean() / load, seed)
    return Round(alone, arriving, cpu, (cpu_seconds(server.workers()) - before) / kind.round)


async def _alone(server: Server, kind: Kind) -> Times:
    connection = Connection(server.port)
    took = []
    for request in itertools.islice(itertools.cycle(kind.requests), kind.round):
        started = time.perf_counter()
        await connection.send(request)
        took.append(time.perf_counter() - started)
    connection.close()
    return np.array(took)


async def _arriving(server: Server, kind: Kind, gap: float, seed: int) -> Times:
    """Return the seconds from each scheduled arrival, so that a late client hides nothing; NaN if rejected."""
    due = np.random.default_rng(seed).exponential(gap, kind.round).cumsum() + 0.1
    free = asyncio.LifoQueue[Connection]()
    for _ in range(_CONNECTIONS):
        free.put_nowait(Connection(server.port))
    started = time.perf_counter()

    async def one(when: float, request: bytes) -> float:
        await asyncio.sleep(max(0, started + when - time.perf_counter()))
        connection = await free.get()
        answered = await connection.send(request)
        free.put_nowait(connection)
        return time.perf_counter() - started - when if answered else np.nan

    took = await asyncio.gather(*map(one, due.tolist(), itertools.cycle(kind.requests)))
    while not free.empty():
        free.get_nowait().close()
    return np.array(took)
