"""Test pictures: printed digits in Pillow's own font, dark on light."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Grey = npt.NDArray[np.uint8]


def digit(label: int, *, side: int = 120, size: float = 80, ink: int = 0, paper: int = 255) -> Image.Image:
    """Return a grey picture of `side` x `side` pixels with a printed digit of `size` pixels in the middle."""
    image = Image.new("L", (side, side), paper)
    ImageDraw.Draw(image).text((side / 2, side / 2), str(label), fill=ink, font=font(size), anchor="mm")
    return image


def number(*lines: str, size: float = 80, gap: float = 20, ink: int = 0, paper: int = 255) -> Image.Image:
    """Return a grey picture with lines of printed characters, `gap` pixels apart."""
    step, rise = font(size).getlength("0") + gap, round(1.6 * size)
    shape = round(step * max(map(len, lines)) + size), rise * len(lines) + round(size / 2)
    image = Image.new("L", shape, paper)
    for row, line in enumerate(lines):
        for place, character in enumerate(line):
            at = size / 2 + step * (place + 0.5), size * 0.8 + rise * row
            ImageDraw.Draw(image).text(at, character, fill=ink, font=font(size), anchor="mm")
    return image


def font(size: float) -> ImageFont.FreeTypeFont:
    """Return Pillow's own font in a size of so many pixels."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)  # all wheels of Pillow include FreeType
    return found


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """Return the picture as an encoded file."""
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png(label: int = 7) -> bytes:
    """Return a digit as a PNG."""
    return encode(digit(label))
