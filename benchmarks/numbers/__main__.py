"""Measure how well numbers are read.

    python -m benchmarks.numbers --data DIR [--split validation] [--only NAME,...] [--short] [--examples DIR]

Choose among versions of the code with `--split validation`; the test split is for the figure that is published.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks.numbers import measure, plan, report
from benchmarks.pictures.nondigits import non_digits
from benchmarks.pictures.plan import Digits, split
from benchmarks.pictures.reader import Reader
from training.data.mnist import load

ROOT = Path(__file__).parents[2]
_SHORT = 2  # pictures of everything
_OTHERS = 20  # pictures of each kind without digits


def main() -> int:
    """Measure what the command line asks for, and print the report."""
    options = parser().parse_args()
    started = time.perf_counter()
    digits = Digits(*split(load(options.data), options.split), options.seed)
    tallies = measure.run(tasks(options, digits), options.models, options.processes)
    if not tallies:
        sys.exit(f"Nothing is called {options.only}: name a condition or a kind of picture, or a part of it.")
    print(report.markdown(_heading(options, tallies, time.perf_counter() - started), tallies))
    if options.examples:
        print(f"{report.write_sheets(tallies, options.examples)} sheets of failing pictures in {options.examples}")
    return 0


def tasks(options: argparse.Namespace, digits: Digits) -> list[measure.Task]:
    """Return everything that the options ask for."""
    count = _SHORT if options.short else options.numbers
    found = [
        task
        for one in plan.chosen(options.only)
        for task in measure.of_numbers(one, plan.numbers(one, digits, count, options.seed), options.seed)
    ]
    others = _SHORT if options.short else _OTHERS
    for name, kind in non_digits().items():
        if not options.only or any(part in f"no digits: {name}".lower() for part in options.only.lower().split(",")):
            items = list(kind.items) * kind.times
            step = max(1, len(items) // others)
            found += measure.of_other_pictures(name, items[::step][:others], options.seed)
    return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.numbers", description=__doc__.splitlines()[0])
    made.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    made.add_argument("--split", choices=["test", "validation"], default="test", help="which of its digits")
    made.add_argument("--numbers", type=int, default=50, help="numbers a condition")
    made.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    made.add_argument("--only", default="", metavar="NAME,...", help="only what has one of these in its name")
    made.add_argument("--short", action="store_true", help="two pictures of everything: to see that all of it runs")
    made.add_argument("--examples", type=Path, help="directory for sheets of failing pictures; outside the repository")
    made.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    made.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="processes to share the work")
    return made


def _heading(options: argparse.Namespace, tallies: dict[str, measure.Tally], seconds: float) -> list[str]:
    reader = Reader.open(options.models)
    model = f"{reader.manifest.name} version {reader.manifest.version} ({reader.engine.file})"
    count = sum(len(tally.results) for tally in tallies.values())
    return [
        f"{model}; MNIST's {options.split} digits, seed {options.seed};",
        f"{count:,} pictures in {seconds:.0f} s by {options.processes} processes.",
    ]


if __name__ == "__main__":
    sys.exit(main())
