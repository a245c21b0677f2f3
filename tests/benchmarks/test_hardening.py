"""The hardening scorecard, short form: the rows that measure no speed."""

from pathlib import Path

import pytest

from benchmarks.hardening import rows
from benchmarks.hardening.__main__ import NUMBERS, row
from benchmarks.hardening.score import Score

# The others measure milliseconds, take minutes, or need the deployment, which tests/test_compose.py runs.
UNTIMED = ("mutated_pictures", "limits", "bad_versions", "interrupted_publishing", "missing_cuda", "dependencies")


def test_every_row_exists() -> None:
    modules = {path.stem for path in Path(rows.__file__).parent.glob("[a-z]*.py")}
    assert modules == set(rows.NAMES)
    assert all(row(number).TITLE and row(number).EXPECTED for number in NUMBERS)


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTIMED)
def test_row(name: str) -> None:
    score = Score(short=True, seed=1)
    row(rows.NAMES.index(name) + 1).run(score)
    assert score.tried > 0 or score.not_run
    assert score.failed == 0, "\n".join(score.lines())
