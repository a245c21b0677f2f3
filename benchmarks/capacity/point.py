"""One point of the simulation on the real service: one worker, requests at random times, their quantiles beside it.

First one request at a time says what the service takes; then the same requests come as a Poisson process. Where other
load shares the processors both are distorted, so several rounds are run in turns and the one with the least stolen
time counts: stolen is what the clock says beyond the CPU seconds that the worker used, while one request at a time ran.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.capacity.cost import cpu_seconds
from benchmarks.capacity.queueing import Times, simulate
from benchmarks.capacity.requests import Connection, Kind
from tests.server import ROOT, Server, running

_CONNECTIONS = 64


@dataclass(frozen=True)
class Round:
    """Seconds of requests, alone and arriving at random (NaN where refused), and the worker's CPU seconds for one."""

    alone: Times
    arriving: Times
    cpu: float
    cpu_arriving: float

    @property
    def stolen(self) -> float:
        return float(self.alone.mean() / self.cpu - 1)


def main(kind: Kind, load: float, rounds: int, threads: int) -> None:
    """Print the measured and the simulated quantiles of each round, the quietest last."""
    found = asyncio.run(_rounds(kind, load, rounds, threads))
    print(f"{kind.name}, one worker of {threads} threads, load {load:.0%}, {kind.round} requests a round")
    for each in sorted(found, key=lambda one: -one.stolen):
        simulated = simulate(each.alone, load=load, servers=1, balance="random", at_once=threads)
        quantiles = [
            " ".join(f"{1e3 * value:7.1f}" for value in np.nanquantile(took, (0.5, 0.9, 0.99)))
            + f" ({np.isnan(took).mean():.1%} refused)"
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
    before = cpu_seconds(server)
    alone = await _alone(server, kind)
    cpu = (cpu_seconds(server) - before) / kind.round
    before = cpu_seconds(server)
    arriving = await _arriving(server, kind, alone.mean() / load, seed)
    return Round(alone, arriving, cpu, (cpu_seconds(server) - before) / kind.round)


async def _alone(server: Server, kind: Kind) -> Times:
    connection = Connection(server.port)
    took = []
    for request in itertools.islice(itertools.cycle(kind.requests), kind.round):
        started = time.perf_counter()
        await connection.ask(request)
        took.append(time.perf_counter() - started)
    connection.close()
    return np.array(took)


async def _arriving(server: Server, kind: Kind, gap: float, seed: int) -> Times:
    """Return the seconds from when each request was due, so that a late client hides nothing; NaN where refused."""
    due = np.random.default_rng(seed).exponential(gap, kind.round).cumsum() + 0.1
    free = asyncio.LifoQueue[Connection]()
    for _ in range(_CONNECTIONS):
        free.put_nowait(Connection(server.port))
    started = time.perf_counter()

    async def one(when: float, request: bytes) -> float:
        await asyncio.sleep(max(0, started + when - time.perf_counter()))
        connection = await free.get()
        answered = await connection.ask(request)
        free.put_nowait(connection)
        return time.perf_counter() - started - when if answered else np.nan

    took = await asyncio.gather(*map(one, due.tolist(), itertools.cycle(kind.requests)))
    while not free.empty():
        free.get_nowait().close()
    return np.array(took)
