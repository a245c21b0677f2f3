"""`python -m benchmarks.swarm`: update and break a three-engine swarm under load.

Needs root, and a Docker engine with the base images. Takes about ten minutes.
"""

import os
import platform
import signal
import sys
from collections.abc import Callable

from benchmarks.swarm import engines, images, rows
from benchmarks.swarm.clients import RATE, Row
from benchmarks.swarm.engines import Engine
from benchmarks.swarm.stack import Stack
from tests import deployment

_NODES = 3


def main() -> int:
    """Run all rows; return 1 if a check fails, 2 if the swarm cannot run here."""
    if why := deployment.missing() or engines.missing():
        print(f"Not run: {why}.")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended before the end."))  # and leave no engines behind
    with images.built() as built, engines.engines(_NODES) as nodes:
        engines.join(nodes)
        engines.load(nodes, *built.names, images.PROXY)
        stack = Stack(nodes[0], nodes)
        print(_conditions(nodes[0]))
        print("| step | requests | failed | p50, p99, longest ms | seconds | |", flush=True)
        print("|---|---|---|---|---|---|")
        lost = [_run(row, stack, built) for row in rows.ROWS]
    return int(any(lost))


def _conditions(node: Engine) -> str:
    engine = node.docker("version", "--format", "{{.Server.Version}}").strip()
    machine = f"one machine of {os.cpu_count()} cores, Linux {platform.release()}"
    return f"{_NODES} engines, Docker {engine}, on {machine}; {RATE:.0f} small pictures a second at each proxy"


def _run(row: Callable[[Stack, images.Images], Row], stack: Stack, built: images.Images) -> bool:
    """Print a row; return whether a check failed."""
    found = row(stack, built)
    print(found.line())
    print("".join(f"      {line}\n" for line in found.score.lines()), end="", flush=True)
    return bool(found.score.failed)


if __name__ == "__main__":
    sys.exit(main())
