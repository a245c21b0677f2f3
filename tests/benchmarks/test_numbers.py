"""The benchmark of numbers: what it writes, and what it counts."""

import numpy as np
import pytest

from benchmarks.numbers import measure, plan, report
from benchmarks.numbers.conditions import conditions
from benchmarks.numbers.measure import Answer, Tally
from benchmarks.numbers.writing import Number, Setting, number_ink
from benchmarks.pictures.plan import Digits

BAR = np.zeros((28, 28), np.uint8)
BAR[4:24, 12:16] = 255


def ink_of(setting: Setting, *lines: int) -> np.ndarray:
    number = Number(tuple((BAR,) * count for count in lines))
    return number_ink(number, setting, 60.0, None, 0.0, np.random.default_rng(0))


def runs(profile: np.ndarray) -> int:
    return int(np.count_nonzero(np.diff(np.pad(profile.astype(int), 1)) > 0))


def test_digits_stand_apart_unless_they_touch() -> None:
    assert runs((ink_of(Setting(slope=(0, 0)), 4) > 0.5).any(axis=0)) == 4
    assert runs((ink_of(Setting(overlap=(0.02, 0.05), slope=(0, 0)), 4) > 0.5).any(axis=0)) == 1
    assert runs((ink_of(Setting(touching=1, slope=(0, 0)), 4) > 0.5).any(axis=0)) == 3


def test_lines_stand_below_each_other() -> None:
    setting = Setting(slope=(0, 0), baseline=0, leading=(1.5, 1.5))
    assert runs((ink_of(setting, 3, 3, 3) > 0.5).any(axis=1)) == 3


def test_numbers_are_the_same_for_a_seed() -> None:
    images, labels = np.stack([BAR] * 40), np.repeat(np.arange(10), 4)
    [condition] = [one for one in conditions() if one.name == "plain/MNIST's stroke"]
    first, again, other = (plan.numbers(condition, Digits(images, labels, 1), 1, seed) for seed in (1, 1, 2))
    assert first[0].lines == again[0].lines != other[0].lines
    assert [len(line) for line in first[0].lines] == [5]


def test_names_are_unique_and_every_mark_has_conditions() -> None:
    assert len({one.name for one in conditions()}) == len(conditions())
    assert {one.held for one in conditions()} == {"apart", "touching", ""}


def test_marks_count_what_is_wholly_right_and_certain() -> None:
    right, wrong = Answer(("12345",), certain=True), Answer(("12344",), certain=True)
    tally = Tally([(("12345",), right)] * 3 + [(("12345",), wrong)])
    found = {what: share for what, _, share in report.marks({"plain/pen": tally})}
    assert (
        found["digits apart, wholly right"] == found["certain, of all conditions"].replace("100.0", "75.0") == "75.0%"
    )
    assert found["of the certain ones wholly right"] == "75.00%"
    assert "| plain/pen | apart | 75.0% | 4 |" in report.markdown(["of a test"], {"plain/pen": tally})


@pytest.mark.parametrize("name", ["held-back forms", "held-back forms, photo"])
def test_conditions_are_drawn_and_read(name: str) -> None:
    measure.start(measure.Path(__file__).parents[2] / "models")
    [condition] = [one for one in conditions() if one.name == name]
    digits = Digits(np.stack([BAR] * 10), np.arange(10), 1)
    tasks = measure.of_numbers(condition, plan.numbers(condition, digits, 4, 1), 1)
    answers = [measure._perform(task)[1] for task in tasks]
    assert sum(answer.lines == task.lines for answer, task in zip(answers, tasks, strict=True)) >= 3
