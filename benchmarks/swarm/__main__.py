"""`python -m benchmarks.swarm`: update and break a three-engine swarm while clients ask.

Needs root, and a Docker engine that has the base images. It takes some ten minutes.
"""

import os
import platform
import signal
import sys
from collections.abc import Callable

from benchmarks.swarm import engines, images, rows
from benchmarks.swarm.asking import RATE, Row
from benchmarks.swarm.engines import Engine
from benchmarks.swarm.stack import Stack
from tests import deployment

_NODES = 3


def main() -> int:
    """Run all rows; return 1 where something does not hold, 2 where none can be run here."""
    if why := deployment.missing() or engines.missing():
        print(f"Not run: {why}.")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended before the end."))  # and leave no engines behind
    with images.built() as rolled_out, engines.engines(_NODES) as nodes:
        engines.join(nodes)
        engines.load(nodes, *rolled_out.names, images.PROXY)
        stack = Stack(nodes[0], nodes)
        print(_conditions(nodes[0]))
        print("| what is done | asked | failed | p50, p99, longest ms | seconds | |", flush=True)
        print("|---|---|---|---|---|---|")
        lost = [_run(row, stack, rolled_out) for row in rows.ROWS]
    return int(any(lost))


def _conditions(node: Engine) -> str:
    engine = node.docker("version", "--format", "{{.Server.Version}}").strip()
    machine = f"one machine of {os.cpu_count()} cores, Linux {platform.release()}"
    return f"{_NODES} engines, Docker {engine}, on {machine}; {RATE:.0f} small pictures a second at each proxy"


def _run(row: Callable[[Stack, images.Images], Row], stack: Stack, rolled_out: images.Images) -> bool:
    """Print a row; return whether something was lost."""
    found = row(stack, rolled_out)
    print(found.line())
    print("".join(f"      {line}\n" for line in found.score.lines()), end="", flush=True)
    return bool(found.score.lost)


if __name__ == "__main__":
    sys.exit(main())
