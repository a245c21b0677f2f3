"""`python -m benchmarks.hardening`: the scorecard, against the service as it is in this checkout.

python -m benchmarks.hardening                   all rows in their long form; hours
python -m benchmarks.hardening --short           all rows in their short form; minutes
python -m benchmarks.hardening --rows 3,4,8      some
"""

import argparse
import importlib
import re
import sys
import time
from pathlib import Path
from types import ModuleType

from benchmarks.hardening import proxied
from benchmarks.hardening.score import Plan, Score

_MODULE = re.compile(r"row(\d\d)_\w+")


def rows() -> dict[int, str]:
    """Return the name of the module of each row."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("row*.py"))
    return {int(found[1]): found[0] for found in map(_MODULE.fullmatch, names) if found}


def row(number: int) -> ModuleType:
    """Return the module of a row."""
    return importlib.import_module(f"benchmarks.hardening.{rows()[number]}")


def main(arguments: list[str]) -> int:
    """Run what is asked for; return 1 where something was lost."""
    chosen = _parser().parse_args(arguments)
    plan = Plan(chosen.short, chosen.seed)
    print(f"{'short' if plan.short else 'long'} form, seed {plan.seed}")
    print("| # | what is done | tried | passed | lost | seconds | |\n|---|---|---|---|---|---|---|", flush=True)
    try:
        scores = [_run(number, plan) for number in chosen.rows]
    finally:
        proxied.remove()
    return int(any(score.lost for score in scores))


def _run(number: int, plan: Plan) -> Score:
    module, started = row(number), time.monotonic()
    try:
        score: Score = module.run(plan)
    except Exception as error:
        score = Score()
        score.hold(False, f"the row itself failed: {type(error).__name__}: {error}")
    counts = f"{score.tried:,} | {score.passed:,} | {score.lost:,} | {time.monotonic() - started:.0f}"
    print(f"| {number} | {module.TITLE} | {counts} | {score.verdict} |")
    print("".join(f"      {line}\n" for line in (f"to hold: {module.HOLDS}", *score.lines())), end="", flush=True)
    return score


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hardening", description="The scorecard of the service.")
    parser.add_argument("--short", action="store_true", help="fewer of everything")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn at random (1)")
    parser.add_argument("--rows", type=_numbers, default=list(rows()), help="which, such as 1,3,8 (all)")
    return parser


def _numbers(text: str) -> list[int]:
    numbers = [int(number) for number in text.split(",")]
    if unknown := set(numbers) - set(rows()):
        raise argparse.ArgumentTypeError(f"no such rows: {sorted(unknown)}")
    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
