"""50 small requests that expand to something large."""

import json
import struct
from base64 import b64encode
from collections.abc import Iterator

from benchmarks.hardening.load import get, post
from tests import drawing
from tests.server import multipart
from tests.service.preprocessing.test_decode import chunk
from tests.service.preprocessing.test_decode_hostile import (
    TINY_FRAME,
    bitmap,
    claiming,
    exif_of_itself,
    profile_part,
    zeros,
)
from tests.service.preprocessing.test_formats import after_soi, before_idat, segment

# Their first frame or image data is an ordinary digit; the rest is never unpacked.
HARMLESS = frozenset(
    f"{chunk} of {size} MB in a PNG" for chunk in ("iCCP", "zTXt", "iTXt", "eXIf") for size in (1, 16, 64)
) | {
    "GIF of 10,000 frames",
    "EXIF that refers to itself, JPEG",
    "EXIF that refers to itself, PNG",
    "JPEG with 60 kB of comments",
    "JPEG with ICC profile in 200 parts",
}


def warm_up() -> list[bytes]:
    """Return requests that load everything the service needs."""
    large = drawing.encode(drawing.digit(7, side=3000, size=2000))
    formats = [drawing.encode(drawing.digit(3).convert("RGB"), form) for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP")]
    return [get("/readyz"), post(large), *map(post, formats)] * 3


def all_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the request of each."""
    for name, content in _pictures():
        yield name, post(content)
    yield from _messages()


def _pictures() -> Iterator[tuple[str, bytes]]:
    for side in (50_000, 65_535, 1_000_000, (1 << 31) - 1):
        yield f"PNG of {side:,} pixels square", png(side, side)
        yield f"PNG of {side:,} pixels in a row", png(side, 1 if side > 1 << 24 else 4000)
    for depth, colours in ((1, 0), (8, 3), (16, 6)):
        yield f"PNG of 20,000 pixels square, {depth} bits of {colours}", png(20_000, 20_000, depth, colours)
    yield "PNG whose pixels go on for 200 MB", png(100, 100, more=zeros(200 << 20))
    yield "PNG with 10,000 empty parts", png(40_000, 40_000, parts=10_000)
    for size in (1, 16, 64):
        for name in ("iCCP", "zTXt", "iTXt", "eXIf"):
            yield f"{name} of {size} MB in a PNG", _with_chunk(name.encode(), size)
    gif = drawing.encode(drawing.digit(7, side=60, size=40), "GIF")
    yield "GIF of 65,535 pixels square", _gif(65_535)
    yield "GIF of 10,000 frames", gif[:-1] + TINY_FRAME * 10_000 + b";"
    yield "GIF whose frame lies outside", _gif(10, left=60_000)
    yield "GIF whose frame is larger than it", _gif(10, frame=65_000)
    for name, size in (("BMP of 50,000 pixels square", 50_000), ("BMP of 2 billion pixels square", (1 << 31) - 1)):
        yield name, bitmap(size, size, compression=0)
        yield f"{name}, upside down and run-length encoded", bitmap(size, -size)
    yield "JPEG of 65,500 pixels square", _jpeg(65_500)
    yield "JPEG of 65,500 pixels square, progressive", _jpeg(65_500, progressive=True)
    jpeg = drawing.encode(drawing.digit(7), "JPEG")
    yield "JPEG with 60 kB of comments", after_soi(jpeg, segment(0xFE, bytes(59_998)))
    yield "JPEG with ICC profile in 200 parts", after_soi(jpeg, *(profile_part(part, 200) for part in range(1, 201)))
    yield "EXIF that refers to itself, JPEG", after_soi(jpeg, segment(0xE1, b"Exif\0\0" + exif_of_itself()))
    yield "EXIF that refers to itself, PNG", before_idat(drawing.png(7), chunk(b"eXIf", exif_of_itself()))
    yield "WebP of 16,384 pixels square", _webp(16_383)
    yield "WebP of 16 million pixels square", _webp((1 << 24) - 1)


def _messages() -> Iterator[tuple[str, bytes]]:
    body, headers = multipart([("image", b"x")] * 20_000)
    yield "form of 20,000 parts", post(body, content_type=headers["Content-Type"])
    body, headers = multipart([("image", png(65_535, 65_535))] * 250)
    yield "form of 250 bombs, for one picture", post(body, content_type=headers["Content-Type"])
    body, headers = multipart([(f"field{number}", b"x") for number in range(300)])
    yield "form of 300 fields", post(body, content_type=headers["Content-Type"])
    packed = post(zeros(200 << 20))
    yield "200 MB, declared as deflated", packed.replace(b"Host: a", b"Host: a\r\nContent-Encoding: deflate", 1)
    nested = b'{"image":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    yield "JSON of 200,000 lists in each other", post(nested, content_type="application/json")
    number = b'{"image":' + b"9" * 1_000_000 + b"}"
    yield "JSON with a number of a million digits", post(number, content_type="application/json")
    inside = json.dumps({"image": b64encode(png(65_535, 65_535)).decode()}).encode()
    yield "JSON with a PNG of 65,535 pixels square", post(inside, content_type="application/json")
    texts = json.dumps({"images": ["A" * 40] * 100_000}).encode()
    yield "JSON of 100,000 pictures", post(texts, "/predict/batch", "application/json")
    shape = {"name": "images", "datatype": "UINT8", "shape": [1 << 60, 28, 28], "data": []}
    infer = json.dumps({"inputs": [shape]}).encode()
    yield "tensor of 2^60 images", post(infer, "/v2/models/mnist-dmlp/infer", "application/json")


def png(width: int, height: int, depth: int = 1, colours: int = 0, more: bytes = b"", parts: int = 1) -> bytes:
    """Return a PNG that claims a size but has little pixel data, or that of `more`."""
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3)) if colours == 3 else b""
    pixels = chunk(b"IDAT", more or zeros(1 << 20)[:2000]) + chunk(b"IDAT", b"") * (parts - 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + pixels + chunk(b"IEND", b"")


def _with_chunk(name: bytes, megabytes: int) -> bytes:
    before = {b"iCCP": b"p\0\0", b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"eXIf": b"MM\0*\0\0\0\x08"}
    return before_idat(drawing.png(7), chunk(name, before[name] + zeros(megabytes << 20)))


def _gif(side: int, frame: int = 0, left: int = 0) -> bytes:
    size = frame or side
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", left, 0, size, size, 0) + b"\x02\x02\x4c\x01\0;"


def _jpeg(side: int, *, progressive: bool = False) -> bytes:
    content = drawing.encode(drawing.digit(7), "JPEG", progressive=progressive)
    return claiming(content, content.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5, ">HH", side, side)


def _webp(side: int) -> bytes:
    size = (side - 1).to_bytes(3, "little")
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + size + size
    pixels = b"VP8L" + struct.pack("<I", 6) + b"\x2f\xff\xff\xff\x0f\0"
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(pixels)) + b"WEBP" + canvas + pixels
