"""Measure how well numbers are read.

    python -m benchmarks.numbers --data DIR [--split validation] [--only NAME,...] [--short] [--examples DIR]

Make decisions with `--split validation`; the test split is only for the published figures.
"""

import argparse
import sys
import time

from benchmarks.numbers import measure, plan, report
from benchmarks.pictures.nondigits import non_digits
from benchmarks.pictures.options import chooser, shared_parser
from benchmarks.pictures.plan import Digits, split
from benchmarks.pictures.reader import Reader
from training.data.mnist import load

_SHORT = 2  # pictures of each condition and kind
_OTHERS = 20  # pictures of each kind without digits


def main() -> int:
    """Run the measurement and print the report."""
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
    """Return the tasks that the options select."""
    count = _SHORT if options.short else options.numbers
    found = [
        task
        for one in plan.chosen(options.only)
        for task in measure.of_numbers(one, plan.numbers(one, digits, count, options.seed), options.seed)
    ]
    chosen, others = chooser(options.only), _SHORT if options.short else _OTHERS
    for name, kind in non_digits().items():
        if chosen(f"no digits: {name}"):
            items = list(kind.items) * kind.times
            step = max(1, len(items) // others)
            found += measure.of_other_pictures(name, items[::step][:others], options.seed)
    return found


def parser() -> argparse.ArgumentParser:
    """Return the command line parser."""
    made = shared_parser("benchmarks.numbers", __doc__)
    made.add_argument("--numbers", type=int, default=50, help="numbers a condition")
    made.add_argument("--short", action="store_true", help="two pictures of everything: to see that all of it runs")
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
