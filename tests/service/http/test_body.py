"""The body as it arrives: its limits, its deadline, what all hold together, and its unpacking."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest
from werkzeug.test import Client

from service.errors import DigitsError, MalformedRequest, SlowRequest, TooBusy, TooLarge, UnsupportedMediaType
from service.http.body import Arrivals, Body, unpacked
from service.settings import Settings
from tests import drawing

SMALL = Settings(max_upload_bytes=1024, request_seconds=1)


def done(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def part(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def body_of(
    messages: Iterable[dict[str, Any]], arrivals: Arrivals | None = None, state: Any = None, **headers: str
) -> Body:
    """Return a body whose messages come one after the other, and then never another."""
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    given = {name.replace("_", "-"): value for name, value in headers.items()} or {"transfer-encoding": "chunked"}
    return Body(arrivals or Arrivals(SMALL), given, {} if state is None else state, receive)


@pytest.mark.parametrize("parts", [[b""], [b"abc"], [b"a", b"", b"bc"], [b"x" * 1024], [b"x"] * 1024])
def test_a_body_in_pieces_is_put_together(parts: list[bytes]) -> None:
    messages = [part(content, more=place < len(parts) - 1) for place, content in enumerate(parts)]
    arrivals = Arrivals(SMALL)
    body = body_of(messages, arrivals)
    assert done(body.read()) == b"".join(parts)
    assert (body.complete, arrivals.held) == (True, 0)


def test_no_body_is_not_waited_for() -> None:
    assert done(body_of([], content_length="0").read()) == b""
    assert done(body_of([], host="a").read()) == b""


def test_too_much_by_its_own_account_is_refused_before_it_comes() -> None:
    with pytest.raises(TooLarge, match="1,024 bytes"):
        done(body_of([], content_length="1025").read())


def test_too_much_is_refused_as_soon_as_it_has_come() -> None:
    arrivals = Arrivals(SMALL)
    with pytest.raises(TooLarge, match="more than 1,024 bytes"):
        done(body_of([part(b"x" * 600), part(b"x" * 600)], arrivals).read())
    assert arrivals.held == 0


def test_a_body_that_stops_half_way_has_a_deadline() -> None:
    arrivals = Arrivals(SMALL)
    with pytest.raises(SlowRequest):
        done(body_of([part(b"abc")], arrivals, content_length="10").read())
    assert arrivals.held == 0


def test_one_that_drips_has_the_same_deadline() -> None:
    async def drip() -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return part(b"x")

    with pytest.raises(SlowRequest):
        done(Body(Arrivals(SMALL), {"content-length": "100"}, {}, drip).read())


def test_what_all_hold_together_is_bounded_and_given_back() -> None:
    async def work() -> None:
        arrivals = Arrivals(SMALL)
        reading = [asyncio.create_task(body_of([part(b"x" * 1000)], arrivals).read()) for _ in range(9)]
        await asyncio.sleep(0.05)
        [refused] = [task for task in reading if task.done()]
        assert isinstance(refused.exception(), TooBusy)
        assert arrivals.held == 8000
        await asyncio.wait(reading)
        assert arrivals.held == 0
        assert await body_of([part(b"x" * 1000), part(b"", more=False)], arrivals).read()

    done(work())


@pytest.mark.parametrize(
    ("messages", "state", "kind"),
    [
        ([part(b"a"), {"type": "http.disconnect"}], {}, MalformedRequest),
        ([part(b"a")], {"error": SlowRequest("Too slow.")}, SlowRequest),
    ],
)
def test_what_the_connection_tells_ends_it(messages: Any, state: Any, kind: type[DigitsError]) -> None:
    with pytest.raises(kind):
        done(body_of(messages, state=state).read())


def test_work_stops_when_its_client_is_gone() -> None:
    state: dict[str, Any] = {}
    body = body_of([], state=state)
    body.check_client()
    state["gone"] = True
    with pytest.raises(MalformedRequest, match="closed the connection"):
        body.check_client()


def test_what_is_sent_after_a_refusal_is_thrown_away_up_to_a_bound() -> None:
    taken = 0

    async def endless() -> dict[str, Any]:
        nonlocal taken
        taken += 1000
        return part(b"x" * 1000)

    body = Body(Arrivals(SMALL), {"transfer-encoding": "chunked"}, {}, endless)
    done(body.discard())
    assert 4 * 1024 <= taken < 6 * 1024


@pytest.mark.parametrize("content", [b"", b"abc", bytes(1000)])
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
def test_each_encoding_is_unpacked(content: bytes, encoding: str) -> None:
    packed = zlib.compress(content) if encoding == "deflate" else gzip.compress(content)
    assert unpacked(packed, encoding, 1000) == content


@pytest.mark.parametrize("window", [9, 12, 15, -9, -15])
def test_deflate_is_unpacked_with_the_head_that_the_standard_demands_and_without(window: int) -> None:
    packing = zlib.compressobj(wbits=window)
    packed = packing.compress(drawing.png(5)) + packing.flush()
    assert unpacked(packed, "deflate", 10_000) == drawing.png(5)
    with pytest.raises(MalformedRequest):
        unpacked(packed[:-6], "deflate", 10_000)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "", "x" * 1000])
def test_another_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        unpacked(b"abc", encoding, 1000)
    assert len(str(caught.value)) < 200


PACKED = gzip.compress(b"a body of some length" * 10)


@pytest.mark.parametrize(
    "body",
    [b"", b"abc", PACKED[:5], PACKED[:-1], PACKED[:-8], PACKED + b"x", PACKED + PACKED, PACKED[:20] + PACKED[21:]],
    ids=["nothing", "no gzip", "a head cut off", "a byte less", "no checksum", "a byte more", "twice", "damaged"],
)
def test_a_body_that_is_not_what_it_says(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        unpacked(body, "gzip", 1 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_bomb_costs_no_more_than_is_allowed(pack: Any) -> None:
    bomb = pack(bytes(200 << 20))
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="1,048,576 bytes when it is unpacked"):
            unpacked(bomb, "gzip" if pack is gzip.compress else "deflate", 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_body_is_just_allowed() -> None:
    assert len(unpacked(gzip.compress(bytes(1000)), "gzip", 1000)) == 1000
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(bytes(1001)), "gzip", 1000)


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_compressed_request_is_answered_by_every_route(door_client: Client, encoding: str, pack: Any) -> None:
    headers = {"Content-Encoding": encoding}
    response = door_client.post("/predict", data=pack(drawing.png(5)), content_type="image/png", headers=headers)
    assert (response.status_code, response.get_json()["digit"]) == (200, 5)
    index = door_client.post("/v2/repository/index", data=pack(b'{"ready": true}'), headers=headers)
    assert (index.status_code, len(index.get_json())) == (200, 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_413_and_a_broken_one_400(door_client: Client, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    headers = {"Content-Encoding": encoding}
    for body, status in ((pack(bytes((1 << 20) + 1)), 413), (pack(bytes(1000))[:-1], 400), (b"abc", 400)):
        response = door_client.post("/predict", data=body, content_type="image/png", headers=headers)
        assert response.status_code == status
        assert set(response.get_json()) == {"error", "code"}
