"""`Turns`: limited concurrency, order of arrival, rejection."""

import asyncio
import contextvars
import os
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from service.errors import TooBusy
from service.inference.queue import Turns

named: contextvars.ContextVar[str] = contextvars.ContextVar("named", default="nobody")


def done(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_work_runs_in_a_thread_with_the_requests_context() -> None:
    async def work() -> tuple[Any, ...]:
        named.set("abc")
        return await Turns(1, 1).take(lambda *args: (threading.get_ident(), named.get(), args), 1, 2)

    thread, name, args = done(work())
    assert thread != threading.get_ident()
    assert (name, args) == ("abc", (1, 2))


def test_an_error_is_the_callers_and_the_turn_is_free_again() -> None:
    async def work() -> str:
        turns = Turns(1, 1)
        for _ in range(3):
            with pytest.raises(ValueError, match="x"):
                await turns.take(int, "x")
        return await turns.take(str, 7)

    assert done(work()) == "7"


def test_limited_concurrency_in_order_of_arrival() -> None:
    running, most, order, lock = 0, 0, [], threading.Lock()

    def turn(number: int) -> None:
        nonlocal running, most
        with lock:
            order.append(number)
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    async def work() -> None:
        turns = Turns(2, 10)
        await asyncio.gather(*(turns.take(turn, number) for number in range(20)))

    done(work())
    assert most == 2
    assert [number // 2 for number in order] == [place // 2 for place in range(20)]


def test_only_requests_that_wait_too_long_are_rejected() -> None:
    async def work() -> tuple[list[Any], float]:
        turns = Turns(1, 0.2)
        started = time.monotonic()
        first = asyncio.create_task(turns.take(time.sleep, 0.6))
        await asyncio.sleep(0)
        found = await asyncio.gather(*(turns.take(str, n) for n in range(3)), return_exceptions=True)
        waited = time.monotonic() - started
        await first
        assert await turns.take(str, 7) == "7"
        return found, waited

    found, waited = done(work())
    assert [type(error) for error in found] == [TooBusy] * 3
    assert 0.15 < waited < 0.5


def test_a_request_that_cannot_be_in_time_is_rejected_at_once() -> None:
    async def work() -> None:
        turns = Turns(1, 0.3)
        await turns.take(time.sleep, 1.0)  # how long a turn takes
        waiting = [asyncio.create_task(turns.take(time.sleep, 0.05, patient=True)) for _ in range(8)]
        await asyncio.sleep(0.02)
        started = time.monotonic()
        with pytest.raises(TooBusy):
            await turns.take(str, 1)
        assert time.monotonic() - started < 0.1
        await asyncio.gather(*waiting)

    done(work())


def test_without_a_limit_a_request_waits() -> None:
    async def work() -> list[Any]:
        turns = Turns(1, 0.05)
        first = asyncio.create_task(turns.take(time.sleep, 0.4))
        await asyncio.sleep(0)
        found = await asyncio.gather(turns.take(str, 1, patient=True), turns.take(str, 2), return_exceptions=True)
        await first
        return found

    patient, other = done(work())
    assert patient == "1"
    assert isinstance(other, TooBusy)


def test_a_cancelled_request_takes_no_turn() -> None:
    async def work() -> list[int]:
        turns, taken = Turns(1, 5), list[int]()
        first = asyncio.create_task(turns.take(time.sleep, 0.1))
        await asyncio.sleep(0)
        others = [asyncio.create_task(turns.take(taken.append, number)) for number in range(3)]
        await asyncio.sleep(0.02)
        others[1].cancel()
        await asyncio.gather(first, *others, return_exceptions=True)
        return taken

    assert done(work()) == [0, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux alone")
def test_the_threads_have_a_lower_priority_than_the_loop() -> None:
    async def work() -> int:
        return await Turns(1, 1).take(os.getpriority, os.PRIO_PROCESS, 0)

    assert done(work()) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
