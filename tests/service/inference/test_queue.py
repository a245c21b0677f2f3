"""The queue: which requests share a run, and that answers are not mixed up."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from service.inference.engine import Fitted, Images, Probabilities
from service.inference.queue import Queue


def images(*levels: int) -> Images:
    """Return images of one level each, uint8 [N, 28, 28]."""
    return np.stack([np.full((28, 28), level, np.uint8) for level in levels])


def levels(rows: Probabilities) -> list[int]:
    return [int(row[0]) for row in rows]


class Recorder:
    """Answers with the level of each image, and records its batches."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[int]]] = []
        self.fitted: list[list[bool]] = []

    def __call__(self, model: str, batch: Images, fitted: Fitted) -> Probabilities:
        self.runs.append((model, batch[:, 0, 0].tolist()))
        self.fitted.append(np.broadcast_to(fitted, len(batch)).tolist())
        if 255 in self.runs[-1][1]:
            raise RuntimeError("It failed")
        return np.repeat(batch[:, 0, :1].astype(np.float32), 10, axis=1)


def answered(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def test_requests_of_one_loop_iteration_share_a_run() -> None:
    compute = Recorder()

    async def work() -> list[Any]:
        queue = Queue(compute, most=256)
        return await asyncio.gather(*(queue.submit("a", images(*range(n, n + 3))) for n in (10, 20, 30)))

    assert [levels(rows) for rows in answered(work())] == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]
    assert compute.runs == [("a", [10, 11, 12, 20, 21, 22, 30, 31, 32])]


def test_a_run_knows_which_of_its_images_were_fitted() -> None:
    compute = Recorder()

    async def work() -> list[Any]:
        queue = Queue(compute, most=256)
        sent = [((1, 2), False), ((3,), True), ((4, 5), np.array([False, True])), ((6, 7), True)]
        return await asyncio.gather(*(queue.submit("a", images(*of), fitted) for of, fitted in sent))

    assert [levels(rows) for rows in answered(work())] == [[1, 2], [3], [4, 5], [6, 7]]
    assert compute.runs == [("a", [1, 2, 3, 4, 5, 6, 7])]
    assert compute.fitted == [[False, False, True, False, True, True, True]]


def test_a_single_request_does_not_wait() -> None:
    compute = Recorder()

    async def work() -> None:
        queue = Queue(compute, most=256)
        for number in (1, 2, 3):
            assert levels(await queue.submit("a", images(number))) == [number]

    answered(work())
    assert [batch for _, batch in compute.runs] == [[1], [2], [3]]


def test_images_of_one_request_are_not_copied() -> None:
    given: list[Images] = []

    def compute(model: str, batch: Images, fitted: Fitted) -> Probabilities:  # noqa: ARG001
        given.append(batch)
        return np.zeros((len(batch), 10), np.float32)

    async def work() -> None:
        sent = images(1, 2)
        await Queue(compute, most=256).submit("a", sent)
        assert given[0] is sent

    answered(work())


def test_runs_are_limited_and_requests_are_not_split() -> None:
    compute = Recorder()

    async def work() -> list[Any]:
        queue = Queue(compute, most=4)
        sizes = (3, 1, 2, 3, 9, 1)
        return await asyncio.gather(*(queue.submit("a", images(*[n] * size)) for n, size in enumerate(sizes)))

    assert [levels(rows) for rows in answered(work())] == [[0] * 3, [1], [2] * 2, [3] * 3, [4] * 9, [5]]
    assert [batch for _, batch in compute.runs] == [[0, 0, 0, 1], [2, 2], [3, 3, 3], [4] * 9, [5]]


def test_a_version_switch_neither_splits_nor_mixes_requests() -> None:
    compute = Recorder()

    async def work() -> list[Any]:
        queue = Queue(compute, most=256)
        models = ("old", "old", "new", "old", "new", "new")
        return await asyncio.gather(*(queue.submit(model, images(n, n)) for n, model in enumerate(models)))

    assert [levels(rows) for rows in answered(work())] == [[n, n] for n in range(6)]
    assert compute.runs == [("old", [0, 0, 1, 1]), ("new", [2, 2]), ("old", [3, 3]), ("new", [4, 4, 5, 5])]


@pytest.mark.parametrize("on_loop", [256, 0], ids=["on the loop", "in a thread"])
def test_an_error_reaches_exactly_the_requests_of_its_run(on_loop: int) -> None:
    compute = Recorder()

    async def work() -> list[Any]:
        queue = Queue(compute, most=2, on_loop=on_loop)
        found = await asyncio.gather(
            *(queue.submit("a", images(level)) for level in (1, 255, 2, 3)), return_exceptions=True
        )
        assert levels(await queue.submit("a", images(4))) == [4]
        return found

    first, second, third, fourth = answered(work())
    assert str(first) == str(second) == "It failed"
    assert (levels(third), levels(fourth)) == ([2], [3])


def test_a_batch_that_cannot_be_joined_fails_alone() -> None:
    async def work() -> None:
        queue = Queue(Recorder(), most=256)
        sent = (images(1), images(2)[:, :27])
        found = await asyncio.gather(*(queue.submit("a", each) for each in sent), return_exceptions=True)
        assert list(map(type, found)) == [ValueError] * 2
        assert levels(await queue.submit("a", images(3))) == [3]

    answered(work())


def test_cancelled_requests_are_not_run() -> None:
    compute = Recorder()

    async def work() -> None:
        queue = Queue(compute, most=256)
        futures = [queue.submit("a", images(number)) for number in (1, 2, 3)]
        futures[1].cancel()
        assert levels(await futures[0]) + levels(await futures[2]) == [1, 3]
        gone = queue.submit("a", images(4))
        gone.cancel()
        await asyncio.sleep(0.01)
        assert levels(await queue.submit("a", images(5))) == [5]

    answered(work())
    assert [batch for _, batch in compute.runs] == [[1, 3], [5]]


def test_every_request_gets_its_own_answer_despite_cancellations() -> None:
    compute = Recorder()
    random = np.random.default_rng(1)

    async def ask(queue: Queue, number: int) -> None:
        await asyncio.sleep(float(random.random()) / 100)
        sent = images(*random.integers(0, 255, int(random.integers(1, 6))))
        future = queue.submit(str(number // 100), sent)
        if number % 7 == 0:
            future.cancel()
        else:
            assert levels(await future) == sent[:, 0, 0].tolist()

    async def work() -> None:
        queue = Queue(compute, most=8)
        await asyncio.gather(*(ask(queue, number) for number in range(400)))

    answered(work())
    assert max(len(batch) for _, batch in compute.runs) <= 8
    assert len(compute.runs) < 343, "nothing was shared"


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_in_a_thread_the_next_batch_collects_during_a_run(gate: threading.Event) -> None:
    compute, threads = Recorder(), set()

    def slow(model: str, batch: Images, fitted: Fitted) -> Probabilities:
        threads.add(threading.current_thread())
        if not compute.runs:
            assert gate.wait(10)
        return compute(model, batch, fitted)

    async def work() -> None:
        queue = Queue(slow, most=256, on_loop=0)
        first = queue.submit("a", images(1))
        await asyncio.sleep(0.05)  # its run has begun
        others = []
        for number in (2, 3, 4):
            others.append(queue.submit("a", images(number, number)))
            await asyncio.sleep(0.01)
        others[1].cancel()
        assert not first.done(), "the loop has waited for the run"
        gate.set()
        assert levels(await first) == [1]
        assert levels(await others[0]) + levels(await others[2]) == [2, 2, 4, 4]

    answered(work())
    assert [batch for _, batch in compute.runs] == [[1], [2, 2, 4, 4]]
    assert threading.main_thread() not in threads


def test_only_large_runs_are_in_a_thread() -> None:
    threads: list[bool] = []

    def compute(model: str, batch: Images, fitted: Fitted) -> Probabilities:  # noqa: ARG001
        threads.append(threading.current_thread() is not threading.main_thread())
        return np.zeros((len(batch), 10), np.float32)

    async def work() -> None:
        queue = Queue(compute, most=256, on_loop=2)
        for count in (1, 2, 3):
            await queue.submit("a", images(*range(count)))

    answered(work())
    assert threads == [False, False, True]


def test_cancelling_during_a_run_cancels_no_other_request(gate: threading.Event) -> None:
    def slow(model: str, batch: Images, fitted: Fitted) -> Probabilities:
        assert gate.wait(10)
        return Recorder()(model, batch, fitted)

    async def work() -> None:
        queue = Queue(slow, most=256, on_loop=0)
        gone, stays = queue.submit("a", images(1)), queue.submit("a", images(2))
        await asyncio.sleep(0.02)
        gone.cancel()
        gate.set()
        assert levels(await stays) == [2]

    answered(work())
