"""The second look: which answers it changes, and how."""

from typing import Any

import numpy as np
import pytest

from service.inference.engine import Engine, Images, Probabilities, sure_from
from service.inference.specimens import specimens
from service.preprocessing.looks import LOOKS, looks
from tests import factory


class Counting(Engine):
    """An engine that records its batch sizes in `runs`."""

    runs: list[int]

    def run(self, images: Images) -> Probabilities:
        self.runs.append(len(images))
        return super().run(images)


@pytest.fixture
def engine() -> Counting:
    engine = Counting.open(factory.at_temperature(9))
    assert isinstance(engine, Counting)
    engine.runs = []
    return engine


def first_looks(engine: Counting, images: Images) -> Probabilities:
    found = engine.run(images)
    engine.runs.clear()
    return found


def test_certain_answers_stay_and_cost_no_run(engine: Counting) -> None:
    images, _ = specimens()
    first = first_looks(engine, images)
    certain_from = 1 - 4 * (1 - float(first.max(axis=1).min()))
    np.testing.assert_array_equal(engine.read(images, certain_from - 0.01), first)
    assert engine.runs == [len(images)]


def test_an_uncertain_answer_is_the_mean_of_all_looks(engine: Counting) -> None:
    images, _ = specimens()
    first = first_looks(engine, images)
    least = float(np.median(first.max(axis=1)))
    found = engine.read(images, least)
    for image, before, after in zip(images, first, found, strict=True):
        expected: Any = before
        if before.max() < sure_from(least):
            expected = np.concatenate([engine.run(image[np.newaxis]), engine.run(looks(image))]).mean(axis=0)
        np.testing.assert_allclose(after, expected, atol=1e-6)
    assert not np.array_equal(first, found)


@pytest.mark.parametrize("fitted", [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)])
def test_only_fitted_images_get_one(engine: Counting, fitted: tuple[int, ...]) -> None:
    images = specimens()[0][:3]
    changed = (engine.read(images, 1.1, np.array(fitted, bool)) != first_looks(engine, images)).any(axis=1)
    assert changed.tolist() == [bool(each) for each in fitted]


def test_an_answer_that_is_only_just_certain_is_looked_at_again(engine: Counting) -> None:
    images, _ = specimens()
    first = first_looks(engine, images)
    most = float(first.max())
    assert engine.read(images, most - 0.001)[first.argmax() // 10].max() != pytest.approx(most, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_runs_are_no_larger_than_the_first(engine: Counting, count: int) -> None:
    engine.read(specimens()[0][:count], 1.1)
    assert engine.runs[0] == count
    assert sum(engine.runs[1:]) == LOOKS * count
    assert max(engine.runs) <= max(LOOKS, count)
