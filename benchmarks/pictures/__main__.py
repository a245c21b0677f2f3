"""Measure the service on pictures as people send them.

    python -m benchmarks.pictures --data DIR [--realworld DIR] [--split validation] [--only NAME,...] [--short]

Choose among versions of the code with `--split validation`; the test split is for the figure that is published.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.pictures import measure, plan, report, sheets
from benchmarks.pictures.marks import marks
from benchmarks.pictures.options import shared_parser
from benchmarks.pictures.reader import Reader
from training.data.mnist import load


def main() -> int:
    """Measure what the command line asks for; return 1 if a mark was missed."""
    options = parser().parse_args()
    return measured(options, *plan.split(load(options.data), options.split))


def measured(options: argparse.Namespace, images: plan.Images, labels: plan.Labels) -> int:
    """Print the report on digits, uint8 [N, 28, 28] and int64 [N], and write it; return 1 if a mark was missed."""
    started = time.perf_counter()
    tallies = measure.run(
        plan.batches(options, images, labels),
        options.models,
        seed=options.seed,
        processes=options.processes,
        keep=options.examples is not None,
    )
    if not tallies:
        sys.exit(f"Nothing is called {options.only}: name a condition, a kind of picture or a set, or a part of it.")
    found = marks(tallies)
    text = report.markdown(_heading(options, tallies, time.perf_counter() - started), found, tallies)
    print(text)
    if options.out:
        report.write(options.out, text, tallies)
    if options.examples:
        print(f"{sheets.write(tallies, options.examples)} sheets of failing pictures in {options.examples}")
    return 0 if all(mark.held for mark in found) else 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = shared_parser("benchmarks.pictures", __doc__)
    made.add_argument("--realworld", type=Path, help="directory with optdigits32.npz and semeion.npz")
    made.add_argument("--digits", type=int, default=300, help="digits a condition and strength")
    made.add_argument(
        "--short", action="store_true", help="a few pictures of everything, in seconds: to see that all of it runs"
    )
    made.add_argument("--out", type=Path, help="directory for robustness.md and .png")
    return made


def _heading(options: argparse.Namespace, tallies: dict[str, measure.Tally], seconds: float) -> list[str]:
    reader = Reader.open(options.models)
    manifest, count = reader.manifest, sum(len(tally.labels) for tally in tallies.values())
    return [
        f"{manifest.name} version {manifest.version} ({reader.engine.file}), certain from {manifest.certain_from:.4f};",
        f"MNIST's {options.split} digits, seed {options.seed}; {count:,} pictures in {seconds:.0f} s "
        f"by {options.processes} process{'es' * (options.processes > 1)}, {time.strftime('%-d %B %Y')}.",
    ]


if __name__ == "__main__":
    sys.exit(main())
