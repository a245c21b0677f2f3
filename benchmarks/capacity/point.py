"""One point of the simulation checked on the real service: one worker, Poisson arrivals.

Requests sent one at a time give the service times; then the same requests arrive as a Poisson process. Other load
distorts both, so several rounds run and the one with the least stolen time counts: the wall time of sequential requests
beyond the worker's CPU time.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.capacity.queueing import Times, simulate
from benchmarks.capacity.requests import Kind
from benchmarks.hardening.load import Load
from benchmarks.processes import cpu_seconds
from tests.server import ROOT, Server, serving

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
    with serving(MODELS_DIR=ROOT / "models", LOG_LEVEL="warning", THREADS=threads) as server:
        _send(server, kind, None, 1)  # warm-up
        found = [_round(server, kind, load, seed) for seed in range(rounds)]
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


def _round(server: Server, kind: Kind, load: float, seed: int) -> Round:
    alone, cpu = _send(server, kind, None, 1)
    gaps = np.random.default_rng(seed).exponential(alone.mean() / load, kind.round)
    arriving, cpu_arriving = _send(server, kind, (gaps.cumsum() + 0.1).tolist(), _CONNECTIONS)
    return Round(alone, arriving, cpu, cpu_arriving)


def _send(server: Server, kind: Kind, due: list[float] | None, connections: int) -> tuple[Times, float]:
    """Return the seconds of each request and the CPU seconds of one.

    Seconds count from when a request is due, so that a late client hides nothing; NaN if rejected.
    """
    before = cpu_seconds(server.workers())
    clients = Load(server.port, kind.requests, connections, schedule=due)
    clients.run(kind.round)
    cpu = (cpu_seconds(server.workers()) - before) / kind.round
    assert {answer.status for answer in clients.answers} <= {200, 429}
    took = [answer.at - (answer.sent if due is None else answer.due) for answer in clients.answers]
    return np.where([answer.status == 200 for answer in clients.answers], took, np.nan), cpu
