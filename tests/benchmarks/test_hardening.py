"""The scorecard in its short form, as far as it measures no speed: that wants a machine with nothing else to do."""

from pathlib import Path

import pytest

from benchmarks.hardening import rows
from benchmarks.hardening.__main__ import NUMBERS, row
from benchmarks.hardening.score import Plan

# The others hold a service to milliseconds, take minutes, or want the deployment, which tests/test_compose.py drives.
WITHOUT_A_CLOCK = (1, 4, 9, 10, 12, 14)


def test_every_row_exists() -> None:
    modules = {path.stem for path in Path(rows.__file__).parent.glob("[a-z]*.py")}
    assert modules == set(rows.NAMES)
    assert all(row(number).TITLE and row(number).EXPECTED for number in NUMBERS)


@pytest.mark.slow
@pytest.mark.parametrize("number", WITHOUT_A_CLOCK)
def test_row(number: int) -> None:
    score = row(number).run(Plan(short=True, seed=1))
    assert score.tried > 0 or score.not_run
    assert score.lost == 0, "\n".join(score.lines())
