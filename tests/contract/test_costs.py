"""Limits on the cost of a request to others: many large pictures, and work for disconnected clients."""

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.contract.digits import encode, ink, on_paper
from tests.contract.exchanges import post_json, text_of
from tests.contract.healthy import in_threads, unharmed, waits
from tests.contract.server import Servers, servers
from tests.contract.wire import Stream, connect

SIDE = 4000  # of a grey picture that takes at least 0.1 s to decode


@pytest.fixture(scope="module")
def live() -> Iterator[Servers]:
    """Separate servers, because these tests disturb them."""
    with servers() as started:
        yield started


@cache
def batch(pictures: int) -> bytes:
    """Return a request with `count` large pictures."""
    large = encode(on_paper(ink("7", SIDE)), compress_level=1)
    return post_json("/predict/batch", {"images": [text_of(large)] * pictures})


def test_batches_of_large_pictures_take_turns_with_others(live: Servers) -> None:
    address = live.address()

    def send() -> None:
        with connect(address, batch(8), 60) as connection:
            answer = Stream(connection).answer()
        assert answer is not None
        assert answer.status == 200 or answer.code() == "too_busy"

    batch(8)
    with in_threads(*[send] * 8) as going_on:
        found = waits(address, going_on)
    unharmed(found)


def test_work_stops_when_the_client_disconnects(live: Servers) -> None:
    [worker] = live.server("default").workers()
    connection = connect(live.address(), batch(50))
    time.sleep(1)
    connection.close()
    time.sleep(1.5)
    before = _processor_seconds(worker)
    time.sleep(1)
    assert _processor_seconds(worker) - before < 0.2


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
