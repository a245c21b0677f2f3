"""`python -m benchmarks.hardening`: the hardening scorecard of this checkout.

python -m benchmarks.hardening                   all rows, long form; hours
python -m benchmarks.hardening --short           all rows, short form; minutes
python -m benchmarks.hardening --rows 3,4,8      some rows
"""

import argparse
import importlib
import sys
import time
from types import ModuleType

from benchmarks.hardening import proxied, rows
from benchmarks.hardening.score import Score

NUMBERS = range(1, len(rows.NAMES) + 1)


def row(number: int) -> ModuleType:
    """Return the module of a row."""
    return importlib.import_module(f"{rows.__name__}.{rows.NAMES[number - 1]}")


def main() -> int:
    """Run the chosen rows; return 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hardening", description="Hardening scorecard.")
    parser.add_argument("--short", action="store_true", help="smaller numbers, minutes instead of hours")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random choices (1)")
    parser.add_argument("--rows", type=_numbers, default=list(NUMBERS), help="rows to run, such as 1,3,8 (all)")
    chosen = parser.parse_args()
    print(f"{'short' if chosen.short else 'long'} form, seed {chosen.seed}")
    print("| # | test | checks | passed | failed | seconds | |\n|---|---|---|---|---|---|---|", flush=True)
    try:
        scores = [_run(number, Score(chosen.short, chosen.seed)) for number in chosen.rows]
    finally:
        proxied.remove()
    return int(any(score.failed for score in scores))


def _run(number: int, score: Score) -> Score:
    module, started = row(number), time.monotonic()
    try:
        module.run(score)
    except Exception as error:
        score.check(False, f"the row itself failed: {type(error).__name__}: {error}")
    counts = f"{score.tried:,} | {score.passed:,} | {score.failed:,} | {time.monotonic() - started:.0f}"
    print(f"| {number} | {module.TITLE} | {counts} | {score.verdict} |")
    print("".join(f"      {line}\n" for line in (f"expected: {module.EXPECTED}", *score.lines())), end="", flush=True)
    return score


def _numbers(text: str) -> list[int]:
    numbers = [int(number) for number in text.split(",")]
    if unknown := set(numbers) - set(NUMBERS):
        raise argparse.ArgumentTypeError(f"no such rows: {sorted(unknown)}")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
