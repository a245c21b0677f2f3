"""HEIC, AVIF and TIFF against what Pillow makes of the same picture, and files of them that are sent to do harm."""

import io
import struct
import tracemalloc
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from service.errors import RequestError, TooLarge, UnreadableImage, UnsupportedImage
from service.preprocessing.decode import decode
from service.preprocessing.formats import still
from service.preprocessing.mnist_format import canonical_digit
from service.settings import Settings
from tests import drawing

LIMIT = Settings().max_pixels
ORIENTATION = 0x0112


def seven(mode: str = "RGB") -> Image.Image:
    return Image.open(io.BytesIO(drawing.png(7))).convert("L").resize((160, 120)).convert(mode)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    if format == "HEIF":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.register_heif_opener()
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def read(content: bytes) -> Any:
    return decode(content, max_pixels=LIMIT)


def far(found: Any, wanted: Image.Image) -> float:
    assert found.shape == (wanted.height, wanted.width)
    return float(np.abs(found.astype(int) - np.asarray(wanted.convert("L"), int)).mean())


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_decoded_picture_is_the_written_one(format: str, mode: str) -> None:
    assert far(read(encode(seven(mode), format)), seven()) < 3
    assert canonical_digit(read(encode(seven(mode), format))).shape == (28, 28)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I;16B"])
def test_tiff_of_each_compression_and_mode(compression: str, mode: str) -> None:
    page = seven("L" if mode.startswith("I") else mode)
    if mode.startswith("I"):
        page = Image.fromarray((np.asarray(page, np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2"))
    assert far(read(encode(page, "TIFF", compression=compression)), seven()) < (40 if mode == "1" else 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["HEIF", "AVIF", "TIFF"])
def test_a_picture_is_turned_once(format: str, orientation: int) -> None:
    stored = seven()
    stored.getexif()[ORIENTATION] = orientation
    wanted = ImageOps.exif_transpose(stored)
    options = {} if format == "HEIF" else {"exif": stored.getexif()}  # in HEIF it stands apart from EXIF
    assert far(read(encode(stored, format, **options)), wanted) < 3


def test_the_first_page_is_read() -> None:
    content = io.BytesIO()
    seven().save(content, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))] * 3)
    assert far(read(content.getvalue()), seven()) < 1


@pytest.mark.parametrize("compression", ["group4", "group3", "jpeg", "tiff_ccitt", "lzma", "zstd"])
def test_other_compressions_are_refused_by_name(compression: str) -> None:
    mode = "RGB" if compression == "jpeg" else "1"
    with pytest.raises(UnreadableImage, match="LZW, Deflate, PackBits: save it so, or as PNG"):
        read(encode(seven(mode), "TIFF", compression=compression))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_float_and_too_wide_levels_are_rejected(mode: str) -> None:
    with pytest.raises(UnreadableImage, match="up to 16 bits"):
        read(encode(seven("L").convert(mode), "TIFF"))


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "TIFF"])
def test_truncated_and_damaged_files_are_rejected(format: str) -> None:
    content = encode(seven(), format)
    for length in (16, 40, 120, len(content) // 2, len(content) - len(content) // 8):
        with pytest.raises(UnreadableImage):
            read(content[:length])
    random = np.random.default_rng(7)
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(4, min(len(content), 600), 3):
            damaged[place] = random.integers(256)
        with suppress(RequestError):
            read(bytes(damaged))


@pytest.mark.parametrize(
    ("format", "quick"), [("HEIF", {"enc_params": {"preset": "ultrafast"}}), ("AVIF", {"speed": 10}), ("TIFF", {})]
)
def test_the_size_is_checked_before_anything_is_decoded(format: str, quick: dict[str, Any]) -> None:
    content = encode(Image.new("L", (4200, 3300)).convert("RGB"), format, **quick)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        read(content)
    assert tracemalloc.get_traced_memory()[1] < 3 * len(content) + (8 << 20)
    tracemalloc.stop()
    if format != "TIFF":
        read(encode(Image.new("RGB", (3600, 3000), "white"), format, **quick))


@pytest.mark.parametrize(("width", "height"), [(1 << 31, 1 << 31), (65535, 65535), (0, 7), (1, 1 << 30)])
def test_a_tiff_that_claims_any_size(width: int, height: int) -> None:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100)]
    with pytest.raises(RequestError):
        read(tiff(entries))


def test_tags_sharing_the_same_bytes_are_not_read() -> None:
    page = [(256, 4, 1, 28), (257, 4, 1, 28), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    page += [(277, 3, 1, 1), (278, 4, 1, 28), (279, 4, 1, 784)]
    notes = [(tag, 1, 4 << 20, 8) for tag in range(30000, 50000)]
    tracemalloc.start()
    assert read(tiff(page + notes, bytes(4 << 20))).shape == (28, 28)
    assert tracemalloc.get_traced_memory()[1] < 24 << 20
    tracemalloc.stop()


def tiff(entries: list[tuple[int, int, int, int]], data: bytes = bytes(2000)) -> bytes:
    head = struct.pack("<4sI", b"II*\0", 8 + len(data))
    packed = [struct.pack("<HHII", *entry) for entry in entries]
    return head + data + struct.pack("<H", len(packed)) + b"".join(packed) + bytes(4)


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_items_sharing_the_same_bytes_are_rejected(format: str) -> None:
    exif = Image.Exif()
    exif[270] = "note" * 1000
    content = encode(seven(), format, exif=exif)
    assert far(read(content), seven()) < 3
    at = content.index(b"iloc") + 4
    # version 0 with 4 bytes each of offset and length: id, reference, pieces, then offset and length of each
    count = 900
    body = bytes(4) + b"\x44\x00" + struct.pack(">H", count) + struct.pack(">HHHII", 9, 0, 1, 0, len(content)) * count
    old = int.from_bytes(content[at - 8 : at - 4], "big")
    bomb = content[: at - 8] + struct.pack(">I", 8 + len(body)) + b"iloc" + body + content[at - 8 + old :]
    meta = bomb.index(b"meta") - 4
    grown = int.from_bytes(content[meta : meta + 4], "big") + 8 + len(body) - old
    bomb = bomb[:meta] + struct.pack(">I", grown) + bomb[meta + 4 :]
    with pytest.raises(UnreadableImage):
        still(bomb)


@pytest.mark.parametrize("brand", [b"isom", b"mp42", b"qt  ", b"crx ", b"M4A "])
def test_other_iso_media_files_are_rejected(brand: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="HEIC, AVIF or TIFF"):
        read(b"\0\0\0\x14ftyp" + brand + bytes(2000))
