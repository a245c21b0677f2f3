"""Start-up time of the service and memory of a worker.

    python -m benchmarks.footprint [--models DIR] [--workers N] [--runs N]

Start-up ends with the first 200 of /readyz. RSS counts all resident pages of a worker; PSS divides shared pages among
the processes that share them.
"""

import argparse
import re
import statistics
import sys
import time
from pathlib import Path

from tests import drawing
from tests.server import ROOT, Server, running

REQUESTS = 200
MOST_SECONDS = 1.5
MOST_RSS = 130  # megabytes a worker


def main() -> int:
    """Print the results; return 1 if one is over its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    parser.add_argument("--workers", type=int, default=2, help="workers of the service")
    parser.add_argument("--runs", type=int, default=5, help="number of starts; the median counts")
    options = parser.parse_args()
    seconds, rss, pss = [], [], []
    for _ in range(options.runs):
        started = time.perf_counter()
        with running(MODELS_DIR=options.models, WORKERS=options.workers, LOG_LEVEL="warning") as server:
            server.wait_for("/readyz")
            seconds.append(time.perf_counter() - started)
            _warm_up(server)
            rss.append(max(_megabytes(worker, "Rss") for worker in server.workers()))
            pss.append(max(_megabytes(worker, "Pss") for worker in server.workers()))
    ready, largest = statistics.median(seconds), statistics.median(rss)
    print(f"ready      {ready:.2f} s (median of {options.runs}, {min(seconds):.2f} to {max(seconds):.2f})")
    print(f"RSS        {largest:.0f} MB, the largest of {options.workers} workers after {REQUESTS} requests")
    print(f"PSS        {statistics.median(pss):.0f} MB")
    return 0 if ready <= MOST_SECONDS and largest <= MOST_RSS else 1


def _warm_up(server: Server) -> None:
    for number in range(REQUESTS):
        server.request("POST", "/predict", drawing.png(number % 10), content_type="image/png")


def _megabytes(pid: int, field: str) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    [kibibytes] = re.findall(rf"^{field}: +([0-9]+) kB$", text, re.MULTILINE)
    return int(kibibytes) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
