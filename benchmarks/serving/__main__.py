"""Throughput and latency beside other model servers, with the same model, picture and preprocessing.

    python -m benchmarks.serving [--short] [--rounds N] [--seconds N] [--only NAME ...]

Each server has one CPU core and wrk another. Every round starts, loads and stops each server in turn, so that other
load on the machine affects all; results are medians over the rounds. Every answer is checked.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.pictures.reader import newest_version
from benchmarks.serving.load import require_wrk
from benchmarks.serving.measure import Bench
from benchmarks.serving.pictures import requests
from benchmarks.serving.report import Results
from benchmarks.serving.servers import OURS, SERVERS, python_of
from tests.server import ROOT


def main() -> int:
    """Print the results; return 1 if a server gave a wrong answer or left a process behind."""
    options = _options()
    require_wrk()
    servers = [each for each in SERVERS if each is OURS or (not options.short and each.name in options.only)]
    for server in servers:
        python_of(server)  # installs what is missing
    rounds = []
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(requests(Path(scratch)), newest_version(ROOT / "models"), options.cores, options.seconds)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            rounds.append(bench.round(servers[number % len(servers) :] + servers[: number % len(servers)]))
    print(Results(rounds).report(options))
    return 0


def _options() -> argparse.Namespace:
    names = [each.name for each in SERVERS if each is not OURS]
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="smoke test: this service alone, one second each")
    parser.add_argument("--rounds", type=int, help="rounds in which each server is measured (5; 1 if short)")
    parser.add_argument("--seconds", type=float, help="duration of a measurement (5; 1 if short)")
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="peers to compare with")
    parser.add_argument(
        "--cores", type=int, nargs=2, default=[cores[0], cores[-1]], help="CPU cores of the server and of wrk"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.short else 5)
    options.seconds = options.seconds or (1 if options.short else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
