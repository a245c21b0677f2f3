"""The paper and what is printed on it: steps of a picture."""

import cv2
import numpy as np

from benchmarks.pictures import noise
from benchmarks.pictures.scene import (
    BLACK,
    Box,
    Colour,
    Mask,
    Picture,
    Random,
    distance_from_a_line,
    lit,
    painted,
    step,
)
from benchmarks.pictures.strokes import SHIFT, subpixels


@step
def texture(picture: Picture, _box: Box, rng: Random, depth: float, blur: float = 1.0) -> Picture:
    """Grain of the paper: reflectance varies by `depth` (standard deviation), with grains `blur` pixels wide."""
    shape = picture.shape[:2]
    grains = 0.7 * (noise.fine(rng, shape, blur) + noise.cloud(rng, shape, 12))
    return lit(picture, 1 + depth * grains)


@step
def fibres(picture: Picture, _box: Box, rng: Random, count: int, depth: float) -> Picture:
    """Short dark and light fibres, as in recycled paper or card."""
    marks = np.zeros(picture.shape[:2], np.float32)
    for _ in range(count):
        start = rng.uniform(0, 1, 2) * marks.shape[::-1]
        end = start + rng.uniform(-1, 1, 2) * 0.03 * max(marks.shape)
        shade = float(rng.choice([-1, 1]) * rng.uniform(0.3, 1))
        first, second = subpixels([start, end]).tolist()
        cv2.line(marks, first, second, shade, 1, cv2.LINE_AA, SHIFT)
    return lit(picture, 1 + depth * marks)


@step
def ruled(
    picture: Picture,
    box: Box,
    rng: Random,
    colour: Colour,
    *,
    squares: bool = False,
    dots: bool = False,
    margin: bool = False,
    pitch: tuple[float, float] = (1.1, 1.7),
) -> Picture:
    """Lines of a notebook, `pitch` digit heights apart, slightly rotated.

    `squares` draws both directions, `dots` only where they would cross.
    """
    shape = picture.shape[:2]
    gap = max(6.0, box.height * rng.uniform(*pitch))
    wide = max(1.0, gap * rng.uniform(0.02, 0.04) * (3 if dots else 1))
    angle = rng.uniform(-0.03, 0.03)
    foot = box.top + box.height * (1 + rng.uniform(-0.06, 0.12))  # on the line or a little above
    mask = _stripes(shape, angle, gap, foot, wide)
    if squares or dots:
        other = _stripes(shape, angle + np.pi / 2, gap, rng.uniform(0, gap), wide)
        mask = np.minimum(mask, other) if dots else np.maximum(mask, other)
    picture = painted(picture, mask, colour)
    if margin:
        left = box.left - box.height * rng.uniform(0.3, 0.8)
        picture = painted(picture, _stripes(shape, angle + np.pi / 2, 1e6, -left, wide), (0.9, 0.45, 0.45))
    return picture


def _stripes(shape: tuple[int, int], angle: float, gap: float, start: float, wide: float) -> Mask:
    """Return parallel lines `wide` pixels wide, `gap` pixels apart, antialiased."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = rows * np.cos(angle) - columns * np.sin(angle) - start
    distance = np.abs((across + gap / 2) % gap - gap / 2)
    return np.asarray(np.clip(wide / 2 + 0.5 - distance, 0, 1), np.float32)


@step
def form_box(
    picture: Picture, box: Box, rng: Random, colour: Colour, room: tuple[float, float], wide: float = 0.03
) -> Picture:
    """The printed box of a form around the digit, its lines `room` digit heights away from it."""
    mask = np.zeros(picture.shape[:2], np.float32)
    gaps = rng.uniform(*room, 4) * box.height
    side = max(box.width, 0.6 * box.height)
    left = box.left + box.width / 2 - side / 2 - gaps[0]
    right = box.left + box.width / 2 + side / 2 + gaps[1]
    corners = [(left, box.top - gaps[2]), (right, box.top + box.height + gaps[3])]
    thick = max(1, round(wide * box.height))
    first, second = subpixels(corners).tolist()
    cv2.rectangle(mask, first, second, 1.0, thick, cv2.LINE_AA, SHIFT)
    return painted(picture, mask, colour)


@step
def crease(picture: Picture, _box: Box, rng: Random, depth: float, count: int = 1) -> Picture:
    """Folds: lighter paper on one side, darker on the other, and the fold itself visible."""
    for _ in range(count):
        distance = distance_from_a_line(picture.shape[:2], rng)
        scale = 0.06 * max(picture.shape)
        relief = np.sign(distance) * np.exp(-np.abs(distance) / scale) * 0.6 - np.exp(-((distance / 1.3) ** 2))
        picture = lit(picture, 1 + depth * relief)
    return picture


@step
def bleed_through(picture: Picture, box: Box, rng: Random, depth: float) -> Picture:
    """Writing on the back of the sheet showing through, blurred and faint."""
    rows, width = picture.shape[:2]
    marks = np.zeros((rows, width), np.float32)
    for row in np.arange(rng.uniform(0, box.height), rows, box.height * 0.9):
        columns = np.arange(0, width + 8, 6.0)
        height = row + 0.25 * box.height * np.sin(
            columns / box.height * rng.uniform(4, 9) + rng.normal(0, 0.8, len(columns))
        )
        points = subpixels(np.stack([columns, height], 1))
        cv2.polylines(marks, [points], False, 1.0, max(1, box.height // 16), cv2.LINE_AA, SHIFT)
    return lit(picture, 1 - depth * np.asarray(cv2.GaussianBlur(marks, (0, 0), max(1.0, box.height / 40))))


@step
def specks(
    picture: Picture, box: Box, rng: Random, count: int, size: tuple[float, float], colour: Colour = BLACK
) -> Picture:
    """Dust: dots and short hairs, `size` digit heights long, anywhere."""
    mask = np.zeros(picture.shape[:2], np.float32)
    for _ in range(count):
        centre = rng.uniform(0, 1, 2) * mask.shape[::-1]
        radius = max(0.5, rng.uniform(*size) * box.height / 2)
        middle, axes = subpixels([centre, (radius, radius * rng.uniform(0.3, 1))]).tolist()
        strength, tilt = float(rng.uniform(0.4, 1)), float(rng.uniform(0, 180))
        cv2.ellipse(mask, middle, axes, tilt, 0, 360, strength, -1, cv2.LINE_AA, SHIFT)
    return painted(picture, mask, colour)
