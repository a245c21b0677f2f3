"""`python -m benchmarks.own_digits --data DIR`: fine-tune the newest version on three writers; print the results.

Results are kept below --out, so an interrupted run continues with the same command.
"""

import argparse
from pathlib import Path

from benchmarks.own_digits import report
from benchmarks.own_digits.measure import measure
from benchmarks.own_digits.writers import WRITERS


def main() -> None:
    """Measure each writer with each number of digits; print the table and draw the plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_digits", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="MNIST's IDX files")
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/own-digits"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--counts", type=int, nargs="+", default=[20, 50, 100, 200], metavar="N")
    names = [writer.name for writer in WRITERS]
    parser.add_argument("--writers", nargs="+", default=names, choices=names, metavar="NAME")
    given = parser.parse_args()
    chosen = [writer for writer in WRITERS if writer.name in given.writers]
    results = [
        measure(writer, count, models=given.models, data=given.data, out=given.out)
        for writer in chosen
        for count in given.counts
    ]
    print(report.table(results))
    report.plot(given.out / "own-digits.png", results)
    report.sheet(given.out / "hands.png")


if __name__ == "__main__":
    main()
