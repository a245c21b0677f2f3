"""Encodes pixels in every colour mode and format that people send."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pictures.camera import Pixels

Encoder = Callable[[Pixels], bytes]

#: The inverse of each EXIF orientation, applied to the stored pixels.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """Return the bytes of `image` as Pillow writes them."""
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png(mode: str | None = None) -> Encoder:
    """PNG in one of Pillow's modes, by default that of the pixels. Low compression, for speed."""

    def encode(pixels: Pixels) -> bytes:
        image = Image.fromarray(pixels)
        if mode == "I;16":
            image = Image.fromarray(_grey(pixels).astype(np.uint16) * 257)
        elif mode == "1":
            image = image.convert("L").point(lambda level: 255 * (level > 127)).convert("1")
        elif mode == "P":
            image = image.convert("RGB").quantize(32)
        elif mode is not None:
            image = image.convert(mode)
        return saved(image, "PNG", compress_level=0)

    return encode


def ink_on_transparent(colour: tuple[int, int, int], mode: str = "RGBA") -> Encoder:
    """PNG of ink in one colour on a transparent background: darkness becomes alpha."""

    def encode(pixels: Pixels) -> bytes:
        alpha = 255 - _grey(pixels)
        layers = [np.full_like(alpha, level) for level in colour] + [alpha]
        return saved(Image.fromarray(np.stack(layers, axis=2)).convert(mode), "PNG", compress_level=0)

    return encode


def jpeg(quality: int, *, mode: str | None = None, progressive: bool = False) -> Encoder:
    """JPEG; `mode` may be CMYK."""

    def encode(pixels: Pixels) -> bytes:
        image = Image.fromarray(pixels)
        return saved(image.convert(mode or image.mode), "JPEG", quality=quality, progressive=progressive)

    return encode


def turned(orientation: int, format: str = "JPEG") -> Encoder:
    """A camera's file: pixels in sensor orientation, with the EXIF orientation."""

    def encode(pixels: Pixels) -> bytes:
        image = Image.fromarray(pixels)
        if orientation in _STORED:
            image = image.transpose(_STORED[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        return saved(image, format, exif=exif)

    return encode


def plain(format: str, **options: Any) -> Encoder:
    """GIF, BMP, WEBP, with Pillow's `options`."""
    return lambda pixels: saved(Image.fromarray(pixels), format, **options)


def animated(format: str, **options: Any) -> Encoder:
    """GIF or WEBP of two frames; the second is the first inverted and upside down."""

    def encode(pixels: Pixels) -> bytes:
        second = Image.fromarray(255 - pixels[::-1])
        return saved(Image.fromarray(pixels), format, save_all=True, append_images=[second], duration=100, **options)

    return encode


def interlaced_png(pixels: Pixels) -> bytes:
    """Return a grey PNG in the seven passes of Adam7, which Pillow cannot write (PNG specification, section 8.2)."""
    grey = _grey(pixels)
    rows = []
    for top, left, down, right in _ADAM7:
        part = grey[top::down, left::right]
        if part.size:
            rows.append(np.pad(part, ((0, 0), (1, 0))).tobytes())
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L"))
