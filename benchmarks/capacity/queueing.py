"""Requests that come when they like, servers that take their time: how long the slowest one in a hundred waits.

A server is one worker process. Its threads take turns at one interpreter: up to `at_once` requests advance by a `turn`
each, the rest wait until one of those is done. A balancer gives each request to one server: at random, which is what
connections that are kept alive come to, or to the one with the fewest requests.
"""

import math
from collections.abc import Generator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import simpy

from service.settings import Settings

Times = npt.NDArray[np.float64]

Balance = Literal["random", "fewest"]


def simulate(
    service_times: Times,
    *,
    load: float,
    servers: int,
    balance: Balance,
    patience: float = Settings.queue_seconds,
    at_once: int = Settings.threads,
    turn: float = 0.2,
    requests: int = 10_000,
    seed: int = 1,
) -> Times:
    """Return the seconds that each request took, waiting included, NaN where it was refused, the first tenth left out.

    Requests arrive as a Poisson process at the rate that keeps the servers busy for the share `load` of their time;
    `service_times` are seconds, of which each request draws one. A request that has waited for `patience` seconds
    is refused before its first turn; `at_once` are computed in turns, each of the share `turn` of the mean service
    time.
    """
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(service_times.mean() / (load * servers), requests)
    takes = generator.choice(service_times, requests)
    places = generator.integers(0, servers, requests)
    world = simpy.Environment()
    span = math.inf if at_once == 1 else turn * float(service_times.mean())
    workers = [_Worker(world, at_once, span, patience) for _ in range(servers)]
    took = np.full(requests, np.nan)
    world.process(_arrivals(world, workers, gaps, takes, places if balance == "random" else None, took))
    world.run()
    return took[requests // 10 :]


class _Worker:
    """A process: `at_once` threads, and one interpreter that runs one of them at a time, a turn each."""

    def __init__(self, world: simpy.Environment, at_once: int, turn: float, patience: float) -> None:
        self.present = 0
        self._world, self._turn, self._patience = world, turn, patience
        self._threads, self._interpreter = simpy.Resource(world, at_once), simpy.Resource(world)

    def answer(self, seconds: float, took: Times, number: int) -> Generator[Any]:
        """Take the seconds of a request from the interpreter, and note how long that took."""
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


def _arrivals(
    world: simpy.Environment,
    workers: Sequence[_Worker],
    gaps: Times,
    takes: Times,
    places: npt.NDArray[np.int64] | None,
    took: Times,
) -> Generator[Any]:
    for number, (gap, seconds) in enumerate(zip(gaps.tolist(), takes.tolist(), strict=True)):
        yield world.timeout(gap)
        worker = min(workers, key=lambda one: one.present) if places is None else workers[places[number]]
        world.process(worker.answer(seconds, took, number))


def main(service_times: Times, at_once: int) -> None:
    """Print p99 against load and number of servers, in multiples of the mean time of a request, and what is refused."""
    sizes, loads = (1, 2, 8, 32), (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
    print("| servers | balance | " + " | ".join(f"{load:.0%}" for load in loads) + " |")
    print("|---|---|" + "---|" * len(loads))
    for servers in sizes:
        for balance in ("random", "fewest") if servers > 1 else ("random",):
            row = [
                simulate(service_times, load=load, servers=servers, balance=balance, at_once=at_once) for load in loads
            ]
            cells = [_cell(took, service_times.mean()) for took in row]
            print(f"| {servers} | {balance if servers > 1 else ''} | " + " | ".join(cells) + " |", flush=True)


def _cell(took: Times, mean: float) -> str:
    refused = np.isnan(took).mean()
    return f"{np.nanquantile(took, 0.99) / mean:.1f}" + (f" ({refused:.1%} refused)" if refused >= 0.0005 else "")
