"""`python -m benchmarks.scaling`: change the number of replicas, and kill some, under load.

Needs what `make compose-test` needs. Clients send requests through the proxy. Prints how many failed, and
their lines in the proxy's log.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter

from benchmarks.hardening import load
from tests.deployment import Deployment, deployed, missing, run

_CLIENTS = 8
_MOST_REPLICAS = 4
_PATIENCE = 300.0  # seconds for replicas to get ready: a busy machine is no failure


def main() -> int:
    """Print the results; return 1 if a request failed, 2 if the deployment cannot run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=100, help="changes of the number; default: %(default)s")
    parser.add_argument("--kills", type=int, default=20, help="killed replicas; default: %(default)s")
    parser.add_argument("--rate", type=float, default=40, help="requests a second; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if why := missing():
        print(f"Not run: {why}.")
        return 2
    with deployed() as deployment:
        with load.running_load(deployment.port, load.digits(), _CLIENTS, rate=given.rate) as clients:
            killed = _disturb(deployment, given.steps, given.kills, random.Random(given.seed))
        _report(deployment, clients.answers, f"{given.steps} steps, {killed} kills")
    return int(bool(load.failed(clients.answers)))


def _disturb(deployment: Deployment, steps: int, kills: int, chance: random.Random) -> int:
    """Take `steps` random numbers of replicas; in `kills` of these steps, spread evenly, kill and restart one.

    Return how many were killed: a single replica is spared, so the last may be left out.
    """
    count, killed = 2, 0
    for step in range(1, steps + 1):
        count = chance.choice([other for other in range(1, _MOST_REPLICAS + 1) if other != count])
        deployment.compose("up", "--detach", "--no-recreate", "--scale", f"service={count}", "service")
        deployment.wait_for_replicas(count, _PATIENCE)
        if count > 1 and killed < kills * step // steps:
            killed += 1
            victim = chance.choice(deployment.containers("service"))["Id"]
            run("docker", "kill", victim)
            time.sleep(chance.uniform(0.2, 1.0))
            run("docker", "start", victim)
            deployment.wait_for_replicas(count, _PATIENCE)
        print(f"step {step}: {count} replicas, {killed} kills", file=sys.stderr, flush=True)
    return killed


def _report(deployment: Deployment, answers: list[load.Answer], what: str) -> None:
    failed = Counter(answer.status for answer in load.failed(answers))
    busy = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{what}: {len(answers):,} requests, {failed.total()} failed {dict(failed)}; "
        f"p50, p99, longest ms: {load.milliseconds(answers)}; load average {busy}"
    )
    for line in run("docker", "logs", deployment.containers("proxy")[0]["Id"]).splitlines():
        if line.startswith("{") and json.loads(line)["status"] != 200 and json.loads(line)["method"] == "POST":
            print(line)


if __name__ == "__main__":
    sys.exit(main())
