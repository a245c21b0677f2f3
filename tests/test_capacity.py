"""The queueing simulation against queueing theory, and deploy/CAPACITY.md against the code that computes it."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.capacity.plan import COSTS, Assumptions, rows
from benchmarks.capacity.queueing import Balance, Times, simulate

CAPACITY = (Path(__file__).parent.parent / "deploy" / "CAPACITY.md").read_text(encoding="utf-8")
EXPONENTIAL = np.random.default_rng(7).exponential(1.0, 200_000)
CONSTANT = np.ones(1)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_one_after_the_other(load: float) -> None:
    """M/M/1: the time in the system is exponential with mean 1 / (1 - load)."""
    took = simulate(EXPONENTIAL, load=load, servers=1, balance="random", patience=math.inf, threads=1, requests=20_000)
    assert np.mean(took) == pytest.approx(1 / (1 - load), rel=0.08)
    assert np.quantile(took, 0.99) == pytest.approx(math.log(100) / (1 - load), rel=0.15)


def test_constant_times_wait_half_as_long() -> None:
    """M/D/1: by Pollaczek-Khinchine the mean wait is load / (2 (1 - load)) service times."""
    took = simulate(CONSTANT, load=0.6, servers=1, balance="random", patience=math.inf, threads=1, requests=20_000)
    assert np.mean(took) - 1 == pytest.approx(0.6 / (2 * 0.4), rel=0.1)


@pytest.mark.parametrize("times", [EXPONENTIAL, CONSTANT], ids=["exponential", "constant"])
def test_all_in_turns(times: Times) -> None:
    """M/G/1 processor sharing: the mean time in the system is 1 / (1 - load) for any distribution."""
    took = simulate(times, load=0.6, servers=1, balance="random", patience=math.inf, threads=10_000, turn=0.1)
    assert np.mean(took) == pytest.approx(2.5, rel=0.12)


def test_requests_facing_too_long_a_wait_are_rejected() -> None:
    """M/M/1, rejecting waits over T: the share load (1 - load) a / (1 - load^2 a) is lost, a = exp(-(1 - load) T).

    Level crossings of the waiting time give it; Barrer, "Queuing with impatient customers and ordered service",
    Operations Research 5(5), 1957, 650-656, treats this queue.
    """
    load, patience = 0.8, 3.0
    took = simulate(EXPONENTIAL, load=load, servers=1, balance="random", patience=patience, threads=1, requests=20_000)
    late = math.exp(-(1 - load) * patience)
    assert np.isnan(took).mean() == pytest.approx(load * (1 - load) * late / (1 - load**2 * late), rel=0.1)


@pytest.mark.parametrize("balance", ["random", "fewest"])
def test_many_servers(balance: Balance) -> None:
    """With random balancing each server is an M/D/1 queue; with fewest requests, hardly any wait."""
    took = simulate(CONSTANT, load=0.6, servers=8, balance=balance, patience=math.inf, threads=1)
    waited = np.mean(took) - 1
    assert waited == pytest.approx(0.75, rel=0.15) if balance == "random" else 0 < waited < 0.15


def test_figures_are_those_that_are_computed() -> None:
    assert len(COSTS) == 5
    for row in rows(Assumptions()):
        assert row in CAPACITY, f"deploy/CAPACITY.md lacks\n{row}"


def test_assumptions_are_named() -> None:
    assumed = Assumptions()
    for value in (assumed.usd_vcpu_hour, assumed.usd_gigabyte_balanced, assumed.usd_gigabyte_sent):
        assert f"{value} USD" in CAPACITY
