"""Parsing of files: pixel data, size and orientation; everything else is left out, and endless files are rejected."""

import re
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from service.errors import TooLarge, UnreadableImage
from service.preprocessing.formats import still
from tests import drawing
from tests.service.preprocessing.test_decode import chunk, colourful

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP"]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def after_soi(jpeg: bytes, *parts: bytes) -> bytes:
    return jpeg[:2] + b"".join(parts) + jpeg[2:]


def before_idat(png: bytes, *parts: bytes) -> bytes:
    return png[:33] + b"".join(parts) + png[33:]


def before_image(gif: bytes, *parts: bytes) -> bytes:
    start = 13 + 3 * (2 << (gif[10] & 7))
    return gif[:start] + b"".join(parts) + gif[start:]


@pytest.mark.parametrize("format", FORMATS)
def test_size_is_that_of_the_picture(format: str) -> None:
    picture = still(drawing.encode(colourful(), format))
    assert (picture.format, picture.width, picture.height) == (format, 64, 48)


@pytest.mark.parametrize("format", FORMATS)
def test_stripped_files_decode_to_the_same_pixels(format: str) -> None:
    content = drawing.encode(colourful(), format)
    kept = still(content).content
    np.testing.assert_array_equal(Image.open(BytesIO(kept)), Image.open(BytesIO(content)))


def test_notes_of_a_png_are_left_out() -> None:
    content = drawing.encode(colourful())
    noted = before_idat(content, chunk(b"tEXt", b"a\0b"), chunk(b"acTL", bytes(8)), chunk(b"IHDR", bytes(13)))
    assert still(noted).content == still(content).content


def test_notes_of_a_jpeg_are_left_out() -> None:
    content = drawing.encode(colourful(), "JPEG")
    noted = after_soi(content, segment(0xE1, b"Exif\0\0junk"), segment(0xE2, b"MPF\0" + bytes(40)), segment(0xFE, b"c"))
    assert still(noted).content == still(content).content


def test_notes_of_a_gif_are_left_out() -> None:
    content = drawing.encode(colourful(), "GIF")
    assert still(before_image(content, b"!\xfe\3abc\2de\0", b"!\xff\1a\0")).content == content


def test_only_the_first_frame_of_a_webp_is_kept() -> None:
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (40, 40, 3), np.uint8)) for n in range(5)]
    content = drawing.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert len(still(content).content) < len(content) / 4


@pytest.mark.parametrize(
    "content",
    [
        after_soi(drawing.encode(colourful(), "JPEG"), segment(0xDB, bytes(65_000)) * 8),
        before_image(drawing.encode(colourful(), "GIF"), b"!\xf9\4\0\0\0\0\0" * 20_000),
    ],
    ids=["tables", "extensions"],
)
def test_a_head_without_end_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableImage):
        still(content)


def test_a_progressive_jpeg_with_too_many_scans_is_rejected() -> None:
    content = drawing.encode(colourful(), "JPEG", progressive=True)
    assert still(content).pixel_bytes == 3  # two bytes a coefficient, 4:2:0
    last = content.rindex(b"\xff\xda")
    with pytest.raises(UnreadableImage):
        still(content[:-2] + content[last:-2] * 40 + content[-2:])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_colour_components_is_damaged(progressive: bool) -> None:
    content = bytearray(drawing.encode(colourful(), "JPEG", progressive=progressive))
    frame = re.search(b"\xff[\xc0\xc2]\0\x11", content)
    assert frame is not None
    content[frame.start() + 9] = 0
    with pytest.raises(UnreadableImage, match="damaged"):
        still(bytes(content))


def test_jpegs_that_are_read_row_by_row_cost_little() -> None:
    assert still(drawing.encode(colourful(), "JPEG")).pixel_bytes < 1
    assert still(drawing.encode(colourful(), "JPEG", progressive=True, subsampling=0)).pixel_bytes == 6


def test_lossless_jpeg_is_refused_with_a_remedy() -> None:
    content = bytearray(drawing.encode(colourful(), "JPEG"))
    content[content.index(b"\xff\xc0") + 1] = 0xC3
    with pytest.raises(UnreadableImage, match="ordinary"):
        still(bytes(content))


def test_a_large_rle_bitmap_is_rejected() -> None:
    content = bytearray(drawing.encode(Image.new("L", (500, 500)), "BMP"))
    content[30:34] = struct.pack("<I", 1)
    with pytest.raises(TooLarge, match="PNG"):
        still(bytes(content))
