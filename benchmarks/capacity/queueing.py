"""Queueing simulation: p99 of latency under Poisson arrivals.

A server is one worker process. Its threads share one interpreter (GIL) in time slices of `turn`: up to `threads`
requests advance in turns, the rest wait for a free thread. The balancer picks a server at random, as keep-alive
connections do, or the one with the fewest requests.
"""

import math
from collections.abc import Generator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import simpy

from service.settings import Settings
from training.markdown import table

Times = npt.NDArray[np.float64]

Balance = Literal["random", "fewest"]


def simulate(
    service_times: Times,
    *,
    load: float,
    servers: int,
    balance: Balance,
    patience: float = Settings.queue_seconds,
    threads: int = Settings.threads,
    turn: float = 0.2,
    requests: int = 10_000,
    seed: int = 1,
) -> Times:
    """Return the seconds of each request, waiting included; NaN if rejected. The first tenth is dropped.

    Requests arrive as a Poisson process that keeps the servers busy for the share `load` of the time. Each draws its
    service time from `service_times`, in seconds. One that has waited for `patience` seconds is rejected before its
    first time slice. `threads` requests share the interpreter in slices of `turn` times the mean service time.
    """
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(service_times.mean() / (load * servers), requests)
    takes = generator.choice(service_times, requests)
    assigned = generator.integers(0, servers, requests)
    world, took = simpy.Environment(), np.full(requests, np.nan)
    span = math.inf if threads == 1 else turn * float(service_times.mean())
    workers = [_Worker(world, threads, span, patience) for _ in range(servers)]

    def arrivals() -> Generator[Any]:
        for number, (gap, seconds) in enumerate(zip(gaps.tolist(), takes.tolist(), strict=True)):
            yield world.timeout(gap)
            fewest = min(workers, key=lambda one: one.present)
            worker = fewest if balance == "fewest" else workers[assigned[number]]
            world.process(worker.answer(seconds, took, number))

    world.process(arrivals())
    world.run()
    return took[requests // 10 :]


class _Worker:
    """A process: `threads` threads share one interpreter in time slices."""

    def __init__(self, world: simpy.Environment, threads: int, turn: float, patience: float) -> None:
        self.present = 0
        self._world, self._turn, self._patience = world, turn, patience
        self._threads, self._interpreter = simpy.Resource(world, threads), simpy.Resource(world)

    def answer(self, seconds: float, took: Times, number: int) -> Generator[Any]:
        """Serve one request and record its time in the system."""
        self.present += 1
        arrived = self._world.now
        with self._threads.request() as thread:
            yield thread
            refused = self._world.now - arrived > self._patience
            while seconds > 0 and not refused:
                with self._interpreter.request() as ours:
                    yield ours
                    yield self._world.timeout(min(seconds, self._turn))
                seconds -= self._turn
        self.present -= 1
        if not refused:
            took[number] = self._world.now - arrived


def main(service_times: Times, threads: int) -> None:
    """Print p99 against load and number of servers, in multiples of the mean service time, and the share rejected."""
    loads = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
    rows = []
    for servers in (1, 2, 8, 32):
        for balance in ("random", "fewest") if servers > 1 else ("random",):
            found = (
                simulate(service_times, load=at, servers=servers, balance=balance, threads=threads) for at in loads
            )
            cells = (_cell(took, service_times.mean()) for took in found)
            rows.append([str(servers), balance if servers > 1 else "", *cells])
    print(table(["servers", "balance", *(f"{load:.0%}" for load in loads)], rows))


def _cell(took: Times, mean: float) -> str:
    rejected = np.isnan(took).mean()
    return f"{np.nanquantile(took, 0.99) / mean:.1f}" + (f" ({rejected:.1%} rejected)" if rejected >= 0.0005 else "")
