"""How fast the service answers, beside other servers that do the same work with the same model and picture.

    python -m benchmarks.serving [--short] [--rounds N] [--seconds N] [--only NAME ...]

Each server has one processor and wrk another. In each round every server is started, asked and ended, so that what
else the machine does falls on all of them; a figure is the median over the rounds. Every answer is checked.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.serving.contestants import CONTESTANTS, US
from benchmarks.serving.load import require_wrk
from benchmarks.serving.measure import Bench, Figures
from benchmarks.serving.pictures import questions
from benchmarks.serving.report import report
from service.contract import MODEL_NAME
from tests.server import ROOT


def main() -> int:
    """Print the figures; return 1 if a server gave a wrong answer or left a process behind."""
    options = _options()
    require_wrk()
    contestants = [each for each in CONTESTANTS if each is US or (not options.short and each.name in options.only)]
    version = max((options.models / MODEL_NAME).glob("[0-9]*"), key=lambda directory: int(directory.name)).absolute()
    figures = Figures()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(
            questions(Path(scratch), MODEL_NAME), version, options.environments, options.cores, options.seconds
        )
        bench.prepare(contestants)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            bench.round(contestants[number % len(contestants) :] + contestants[: number % len(contestants)], figures)
    print(report(figures, options))
    return 0


def _options() -> argparse.Namespace:
    names = [each.name for each in CONTESTANTS if each is not US]
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="this service alone, a second each: does it all work?")
    parser.add_argument("--rounds", type=int, help="how often each server is started and asked (5; 1 if short)")
    parser.add_argument("--seconds", type=float, help="how long each question is asked a round (5; 1 if short)")
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="peers to compare with")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv" / "peers", help="where peers are installed")
    parser.add_argument(
        "--cores", type=int, nargs=2, default=[cores[0], cores[-1]], help="processors of the server and of wrk"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.short else 5)
    options.seconds = options.seconds or (1 if options.short else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
