"""Compressed bodies: decompressed within the limit, on every route."""

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from werkzeug.test import Client

from service.errors import MalformedRequest, TooLarge, UnsupportedMediaType
from service.http.headers import unpacked
from tests import drawing


@pytest.mark.parametrize("content", [b"", b"abc", bytes(1000)])
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
def test_supported_encodings_are_decompressed(content: bytes, encoding: str) -> None:
    packed = zlib.compress(content) if encoding == "deflate" else gzip.compress(content)
    assert unpacked(packed, encoding, 1000) == content


@pytest.mark.parametrize("window", [9, 12, 15, -9, -15])
def test_deflate_is_decompressed_with_and_without_zlib_header(window: int) -> None:
    packing = zlib.compressobj(wbits=window)
    packed = packing.compress(drawing.png(5)) + packing.flush()
    assert unpacked(packed, "deflate", 10_000) == drawing.png(5)
    with pytest.raises(MalformedRequest):
        unpacked(packed[:-6], "deflate", 10_000)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "", "x" * 1000])
def test_other_encodings_are_rejected(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        unpacked(b"abc", encoding, 1000)
    assert len(str(caught.value)) < 200


PACKED = gzip.compress(b"a body of some length" * 10)


@pytest.mark.parametrize(
    "body",
    [b"", b"abc", PACKED[:5], PACKED[:-1], PACKED[:-8], PACKED + b"x", PACKED + PACKED, PACKED[:20] + PACKED[21:]],
    ids=["nothing", "no gzip", "a head cut off", "a byte less", "no checksum", "a byte more", "twice", "damaged"],
)
def test_a_body_that_contradicts_its_content_encoding(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        unpacked(body, "gzip", 1 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_decompression_bomb_stays_within_the_limit(pack: Any) -> None:
    bomb = pack(bytes(200 << 20))
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="1,048,576 bytes when decompressed"):
            unpacked(bomb, "gzip" if pack is gzip.compress else "deflate", 1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_limit_applies_to_the_decompressed_body() -> None:
    assert len(unpacked(gzip.compress(bytes(1000)), "gzip", 1000)) == 1000
    with pytest.raises(TooLarge):
        unpacked(gzip.compress(bytes(1001)), "gzip", 1000)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)]
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
