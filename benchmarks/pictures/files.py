"""Encodes pixels in every colour mode and format that people send."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import numpy as np
from PIL import Image

from benchmarks.pictures.camera import Pixels
from tests import drawing
from tests.service.preprocessing.test_decode import raw_png

Encoder = Callable[[Pixels], bytes]
_Options = ParamSpec("_Options")

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


def encoder(encode: Callable[Concatenate[Pixels, _Options], bytes]) -> Callable[_Options, Encoder]:
    """Turn a function that encodes pixels, by options, into one that returns the encoder for these options."""

    def with_options(*args: _Options.args, **options: _Options.kwargs) -> Encoder:
        return lambda pixels: encode(pixels, *args, **options)

    return with_options


@encoder
def png(pixels: Pixels, mode: str | None = None) -> bytes:
    """PNG in one of Pillow's modes, by default that of the pixels. Low compression, for speed."""
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(_grey(pixels).astype(np.uint16) * 257)
    elif mode == "1":
        image = image.convert("L").point(lambda level: 255 * (level > 127)).convert("1")
    elif mode == "P":
        image = image.convert("RGB").quantize(32)
    elif mode is not None:
        image = image.convert(mode)
    return drawing.encode(image, compress_level=0)


@encoder
def ink_on_transparent(pixels: Pixels, colour: tuple[int, int, int], mode: str = "RGBA") -> bytes:
    """PNG of ink in one colour on a transparent background: darkness becomes alpha."""
    alpha = 255 - _grey(pixels)
    layers = [np.full_like(alpha, level) for level in colour] + [alpha]
    return drawing.encode(Image.fromarray(np.stack(layers, axis=2)).convert(mode), compress_level=0)


@encoder
def jpeg(pixels: Pixels, quality: int, *, mode: str | None = None, progressive: bool = False) -> bytes:
    """JPEG; `mode` may be CMYK."""
    image = Image.fromarray(pixels)
    return drawing.encode(image.convert(mode or image.mode), "JPEG", quality=quality, progressive=progressive)


@encoder
def turned(pixels: Pixels, orientation: int, format: str = "JPEG") -> bytes:
    """A camera's file: pixels in sensor orientation, with the EXIF orientation."""
    image = Image.fromarray(pixels)
    if orientation in _STORED:
        image = image.transpose(_STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return drawing.encode(image, format, exif=exif)


@encoder
def plain(pixels: Pixels, /, format: str, **options: Any) -> bytes:
    """GIF, BMP, WEBP, with Pillow's `options`."""
    return drawing.encode(Image.fromarray(pixels), format, **options)


@encoder
def animated(pixels: Pixels, /, format: str, **options: Any) -> bytes:
    """GIF or WEBP of two frames; the second is the first inverted and upside down."""
    frames = {"save_all": True, "append_images": [Image.fromarray(255 - pixels[::-1])], "duration": 100}
    return drawing.encode(Image.fromarray(pixels), format, **frames, **options)


def interlaced_png(pixels: Pixels) -> bytes:
    """Return a grey PNG in the seven passes of Adam7, which Pillow cannot write (PNG specification, section 8.2)."""
    grey = _grey(pixels)
    rows = []
    for top, left, down, right in _ADAM7:
        part = grey[top::down, left::right]
        if part.size:
            rows.append(np.pad(part, ((0, 0), (1, 0))).tobytes())
    return raw_png(grey.shape[1], grey.shape[0], 8, 0, b"".join(rows), interlaced=1)


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L"))
