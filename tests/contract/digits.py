"""Drawn handwritten digits: pen strokes on paper, reproducible to the pixel."""

import math
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Grey = npt.NDArray[np.uint8]
Points = list[tuple[float, float]]
Pixels = npt.NDArray[np.float64]

_OVERSAMPLING = 4


class Hand(NamedTuple):
    """How a digit is written: `size` and `pen` as shares of the picture's shorter side, `slant` as shear."""

    size: float = 0.6
    pen: float = 0.07
    slant: float = 0.0
    width: float = 0.62  # of a digit, as a share of its height
    turn: float = 0.0  # in degrees
    across: float = 0.5  # where its middle lies
    down: float = 0.5


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Points:
    angles = [math.radians(start + (end - start) * step / 24) for step in range(25)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


# Strokes in the unit square, y downwards; angles run clockwise from the right.
_STROKES: tuple[list[Points], ...] = (
    [_arc(0.5, 0.5, 0.5, 0.5, 0, 360)],
    [[(0.25, 0.2), (0.55, 0.0), (0.55, 1.0)]],
    [[*_arc(0.5, 0.3, 0.45, 0.3, -170, 40), (0.05, 1.0), (1.0, 1.0)]],
    [[*_arc(0.45, 0.25, 0.45, 0.25, -160, 90), *_arc(0.45, 0.75, 0.5, 0.25, -90, 160)]],
    [[(0.7, 1.0), (0.7, 0.0), (0.0, 0.68), (1.0, 0.68)]],
    [[(0.9, 0.0), (0.15, 0.0), (0.1, 0.45), *_arc(0.45, 0.68, 0.5, 0.32, -110, 150)]],
    [[(0.75, 0.0), (0.3, 0.3), *_arc(0.5, 0.7, 0.45, 0.3, 180, 540)]],
    [[(0.0, 0.0), (1.0, 0.0), (0.4, 1.0)]],
    [_arc(0.5, 0.25, 0.4, 0.25, 90, 450), _arc(0.5, 0.75, 0.5, 0.25, -90, 270)],
    [[*_arc(0.5, 0.3, 0.45, 0.3, 0, 360), (0.8, 1.0)]],
)


def _placed(points: Points, hand: Hand, width: float, height: float) -> Points:
    tall = hand.size * min(width, height)
    sine, cosine = math.sin(math.radians(hand.turn)), math.cos(math.radians(hand.turn))
    placed = []
    for x, y in points:
        right, down = (x - 0.5) * hand.width - (y - 0.5) * hand.slant, y - 0.5
        placed.append(
            (
                hand.across * width + tall * (right * cosine - down * sine),
                hand.down * height + tall * (right * sine + down * cosine),
            )
        )
    return placed


def ink(labels: str, width: int, height: int | None = None, hand: Hand | None = None) -> Pixels:
    """Return the ink of digits that stand side by side, float64 [height, width] from 0 to 1."""
    hand, height = hand or Hand(), height or width
    scale = _OVERSAMPLING if max(width, height) <= 400 else 1
    sheet = Image.new("L", (width * scale, height * scale))
    draw = ImageDraw.Draw(sheet)
    pen = max(1, round(hand.pen * min(width, height) * scale))
    step = 1.5 * hand.width * hand.size * min(width, height) / width
    for place, label in enumerate(labels):
        moved = hand._replace(across=hand.across + (place - (len(labels) - 1) / 2) * step)
        for stroke in _STROKES[int(label)]:
            _write(draw, _placed(stroke, moved, width * scale, height * scale), pen)
    return np.asarray(sheet.reduce(scale)) / 255


def _write(draw: ImageDraw.ImageDraw, points: Points, pen: int) -> None:
    draw.line(points, fill=255, width=pen, joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)


def on_paper(drawn: Pixels, ink: int = 20, paper: int = 240) -> Grey:
    """Return ink on paper, both of one grey level, as uint8."""
    return np.rint(paper + (ink - paper) * drawn).astype(np.uint8)


def levels(shades: Any) -> Grey:
    """Return grey levels or colours of any kind, rounded and clipped to uint8."""
    found: Grey = np.clip(np.rint(shades), 0, 255).astype(np.uint8)
    return found


def encode(picture: Image.Image | Grey, format: str = "PNG", **options: Any) -> bytes:
    """Return the picture as the bytes of a file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
