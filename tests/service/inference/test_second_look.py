"""The second look: which answers it changes, and how."""

from typing import Any

import numpy as np
import pytest

from service.inference.engine import Engine, Images, Probabilities
from service.inference.second_look import sure_from, with_second_looks
from service.inference.specimens import specimens
from service.preprocessing.looks import LOOKS, looks
from tests import factory


class Counting:
    """An engine that records its batch sizes."""

    def __init__(self, engine: Engine) -> None:
        self.runs: list[int] = []
        self._engine = engine

    def run(self, images: Images) -> Probabilities:
        self.runs.append(len(images))
        return self._engine.run(images)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.open(factory.at_temperature(9))


def test_certain_answers_stay_and_cost_no_run(engine: Engine) -> None:
    images, _ = specimens()
    first, counting = engine.run(images), Counting(engine)
    certain_from = 1 - 4 * (1 - float(first.max(axis=1).min()))
    assert with_second_looks(counting, images, first, certain_from - 0.01) is first  # type: ignore[arg-type]
    assert counting.runs == []


def test_an_uncertain_answer_is_the_mean_of_all_looks(engine: Engine) -> None:
    images, _ = specimens()
    first = engine.run(images)
    least = float(np.median(first.max(axis=1)))
    found = with_second_looks(engine, images, first, least)
    for image, before, after in zip(images, first, found, strict=True):
        expected: Any = before
        if before.max() < sure_from(least):
            expected = np.concatenate([engine.run(image[np.newaxis]), engine.run(looks(image))]).mean(axis=0)
        np.testing.assert_allclose(after, expected, atol=1e-6)
    assert not np.array_equal(first, found)


def test_an_answer_that_is_only_just_certain_is_looked_at_again(engine: Engine) -> None:
    images, _ = specimens()
    first = engine.run(images)
    most = float(first.max())
    found = with_second_looks(engine, images, first, most - 0.001)
    assert found[first.argmax() // 10].max() != pytest.approx(most, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_runs_are_no_larger_than_the_first(engine: Engine, count: int) -> None:
    images, counting = specimens()[0][:count], Counting(engine)
    with_second_looks(counting, images, engine.run(images), 1.1)  # type: ignore[arg-type]
    assert sum(counting.runs) == LOOKS * count
    assert max(counting.runs) <= max(LOOKS, count)
