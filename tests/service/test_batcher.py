"""Requests that share runs of the model: each gets its own rows, whatever happens, and nobody is left waiting."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.batcher import Batcher
from service.errors import NotReady

LONG = 60.0  # a window that no test lets pass: whoever waits for its end fails


def images(*numbers: int) -> Any:
    """Return images, uint8 [N, 28, 28], that hold their numbers."""
    made = np.zeros((len(numbers), 28, 28), np.uint8)
    for image, number in zip(made, numbers, strict=True):
        image[0, :4] = np.frombuffer(number.to_bytes(4, "little"), np.uint8)
    return made


def numbers(probabilities: Any) -> list[int]:
    return [int(number) for number in probabilities[:, 0]]


class Model:
    """Answers with the numbers in the images plus `offset`, and keeps the size of each run."""

    def __init__(self, offset: int = 0, before: Callable[[], None] = lambda: None) -> None:
        self.offset = offset
        self.runs: list[int] = []
        self.threads: list[int] = []
        self._before = before

    def run(self, given: Any) -> Any:
        self.runs.append(len(given))
        self.threads.append(threading.get_ident())
        self._before()
        found = np.ascontiguousarray(given[:, 0, :4]).view("<u4").astype(np.float64) + self.offset
        return np.repeat(found, 10, axis=1)


def batcher(window: float, most: int = 4, patience: float = LONG) -> Batcher[Model]:
    return Batcher(lambda model, given: model.run(given), window=window, most=most, patience=patience)


def together(calls: Sequence[Callable[[], Any]], *, one_by_one: bool = False) -> list["Future[Any]"]:
    """Return what becomes of calls that are made at once, each in a thread of its own."""
    with ThreadPoolExecutor(len(calls)) as pool:
        made = []
        for call in calls:
            made.append(pool.submit(call))
            if one_by_one:
                time.sleep(0.1)  # until it waits
    return made


def test_without_a_window_each_runs_alone() -> None:
    model, shared = Model(), batcher(0)
    found = together([lambda number=number: shared.run(model, images(number)) for number in range(20)])
    assert [numbers(future.result()) for future in found] == [[number] for number in range(20)]
    assert model.runs == [1] * 20


def test_those_that_fill_a_batch_are_one_run_and_wait_no_longer() -> None:
    model, shared = Model(), batcher(LONG)
    found = together([lambda number=number: shared.run(model, images(number)) for number in range(4)])
    assert [numbers(future.result()) for future in found] == [[0], [1], [2], [3]]
    assert model.runs == [4]


def test_one_that_stays_alone_runs_when_the_window_is_over() -> None:
    model, started = Model(), time.monotonic()
    assert numbers(batcher(0.05).run(model, images(7))) == [7]
    assert 0.05 <= time.monotonic() - started < 5


@pytest.mark.parametrize("count", [4, 5, 9])
def test_as_many_as_fill_a_batch_wait_for_nobody(count: int) -> None:
    model = Model()
    assert numbers(batcher(LONG).run(model, images(*range(count)))) == list(range(count))
    assert model.runs == [count]


def test_those_that_do_not_fit_open_the_next_batch_and_let_the_first_go() -> None:
    model, shared = Model(), batcher(LONG)
    calls = [(1, 2, 3), (4, 5), (6, 7)]
    found = together([lambda call=call: shared.run(model, images(*call)) for call in calls], one_by_one=True)
    assert [numbers(future.result()) for future in found] == [[1, 2, 3], [4, 5], [6, 7]]
    assert model.runs == [3, 4]


@pytest.mark.parametrize("seed", range(4))
def test_everybody_gets_the_own_answer_however_many_come(seed: int) -> None:
    rng = random.Random(seed)
    models, shared = [Model(), Model(1 << 20)], batcher(0.002, most=8)
    calls = [(rng.randrange(2), [1000 * call + image for image in range(rng.randrange(12))]) for call in range(1500)]

    def ask(which: int, given: list[int]) -> list[int]:
        return numbers(shared.run(models[which], images(*given), waited=len(given) == 3))

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(ask, *zip(*calls, strict=True)))
    assert found == [[models[which].offset + number for number in given] for which, given in calls]
    for which, model in enumerate(models):
        sizes = [len(given) for other, given in calls if other == which]
        assert sum(model.runs) == sum(sizes)
        assert len(model.runs) < len(sizes), "nothing was shared"
        assert max(model.runs) <= max(8, *sizes)
        assert sorted(run for run in model.runs if run > 8) == sorted(size for size in sizes if size > 8)


def test_an_error_reaches_each_of_those_that_share_the_run_and_nobody_else() -> None:
    def fail() -> None:
        raise ArithmeticError("the run failed")

    shared, broken, sound = batcher(LONG), Model(before=fail), Model()
    found = together([lambda: shared.run(broken, images(1))] * 4)
    assert [str(future.exception()) for future in found] == ["the run failed"] * 4
    assert broken.runs == [4]
    found = together([lambda: shared.run(sound, images(1))] * 4)
    assert [numbers(future.result()) for future in found] == [[1]] * 4


@pytest.mark.parametrize("error", [TimeoutError, SystemExit])
def test_nobody_waits_for_a_thread_that_has_ended(error: type[BaseException]) -> None:
    def end() -> None:
        raise error

    shared, model = batcher(LONG), Model(before=end)
    assert [type(future.exception()) for future in together([lambda: shared.run(model, images(1))] * 4)] == [error] * 4


def test_a_slow_run_holds_up_no_other() -> None:
    release = threading.Event()
    shared, slow, quick = batcher(0.01), Model(before=lambda: release.wait(LONG) and None), Model()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.run, slow, images(1))
        while not slow.runs:
            time.sleep(0.001)
        assert numbers(pool.submit(shared.run, quick, images(2)).result(LONG)) == [2]
        assert not first.done()
        release.set()
        assert numbers(first.result(LONG)) == [1]


def test_another_model_opens_another_batch_and_lets_the_first_go() -> None:
    old, new, shared = Model(), Model(100), batcher(LONG)
    calls = [(old, 1), (old, 2), (new, 3), (old, 4), (old, 5)]
    found = together(
        [lambda call=call: shared.run(call[0], images(call[1]), waited=call[1] == 5) for call in calls], one_by_one=True
    )
    assert [numbers(future.result()) for future in found] == [[1], [2], [103], [4], [5]]
    assert (old.runs, new.runs) == ([2, 2], [1])


def test_who_has_waited_already_runs_for_those_who_wait() -> None:
    model, shared, here = Model(), batcher(LONG), threading.get_ident()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(shared.run, model, images(number)) for number in (1, 2)]
        while shared._open is None or shared._open.count < 2:
            time.sleep(0.001)
        assert numbers(shared.run(model, images(3), waited=True)) == [3]
        assert sorted(numbers(future.result(LONG))[0] for future in waiting) == [1, 2]
    assert (model.runs, model.threads) == ([3], [here])


def test_nobody_waits_for_ever_for_a_run_of_another() -> None:
    release = threading.Event()
    shared, model = batcher(LONG, most=2, patience=0.1), Model(before=lambda: release.wait(LONG) and None)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(shared.run, model, images(number)) for number in (1, 2)]
        while not any(future.done() for future in found):
            time.sleep(0.001)
        release.set()
    outcomes = [future.exception() for future in found]
    assert sorted(map(type, outcomes), key=str) == sorted([NotReady, type(None)], key=str)
