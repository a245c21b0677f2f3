"""`python -m benchmarks.proxy`: the proxy's rate and latency, against the same two replicas asked directly, in turns.

Needs what `make compose-test` needs, and wrk.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.serving.load import CONNECTIONS, Load, Request, require_wrk, wrk
from benchmarks.serving.pictures import requests
from tests.deployment import Deployment, deployed, missing

MIN_RATE, MAX_P99 = 0.8, 2.0  # of the same replicas asked directly
Address = tuple[str, int]


def main() -> int:
    """Print the results; return 1 if a target is missed, 2 if the deployment cannot run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=3, help="of a round; default: %(default)s")
    given = parser.parse_args()
    require_wrk()
    if why := missing():
        print(f"Not run: {why}.")
        return 2
    with deployed() as deployment, tempfile.TemporaryDirectory() as directory:
        picture = requests(Path(directory))["raw"]
        rounds = _rounds(deployment, picture, given.rounds, given.seconds)
    return int(not report(rounds, given.seconds))


def _rounds(deployment: Deployment, picture: Request, count: int, seconds: float) -> dict[str, list[Load]]:
    """Ask the replicas and the proxy in turns; the first round of each is not counted."""
    deployment.wait_for_replicas(2)
    replicas = [(_address(found), 8000) for found in deployment.containers("service")]
    # Not the published port: Docker forwards that in a process of its own.
    proxy = [(_address(found), 8080) for found in deployment.containers("proxy")]
    rounds: dict[str, list[Load]] = {"directly": [], "over the proxy": []}
    for _ in range(count + 1):
        for name, addresses in zip(rounds, (replicas, proxy), strict=True):
            rounds[name].append(_ask(addresses, picture, seconds))
    return {name: loads[1:] for name, loads in rounds.items()}


def _address(container: Any) -> str:
    """Return the address of a container on the replicas' network."""
    networks = container["NetworkSettings"]["Networks"]
    return str(next(found["IPAddress"] for name, found in networks.items() if name.endswith("_inside")))


def _ask(addresses: list[Address], picture: Request, seconds: float) -> Load:
    """Share the connections out among the addresses; return all answers, and the mean of the latencies."""
    each = CONNECTIONS // len(addresses)
    with ThreadPoolExecutor(len(addresses)) as pool:
        asked = [pool.submit(wrk, port, picture, seconds, 0, each, host=host) for host, port in addresses]
        loads = [one.result() for one in asked]
    rates, p50, p99, answered = zip(*loads, strict=True)
    return Load(sum(rates), mean(p50), mean(p99), sum(answered))


def report(rounds: dict[str, list[Load]], seconds: float) -> bool:
    """Print medians; return whether the targets are met."""
    medians = {name: Load(*map(median, zip(*loads, strict=True))) for name, loads in rounds.items()}
    for name, load in medians.items():
        rates = [each.rate for each in rounds[name]]
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        print(f"{name}: {load.rate:,.0f} requests/s ({spread}), p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms")
    direct, proxied = medians.values()
    rate, p99 = proxied.rate / direct.rate, proxied.p99 / direct.p99
    print(f"medians of {seconds:.0f} s each, {CONNECTIONS} connections; load average {os.getloadavg()[0]:.1f}")
    print(f"rate {rate:.2f} of the direct one ({MIN_RATE} wanted), p99 {p99:.2f} times ({MAX_P99} allowed)")
    return rate >= MIN_RATE and p99 <= MAX_P99


if __name__ == "__main__":
    sys.exit(main())
