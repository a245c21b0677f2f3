"""Underlines, rings and crops of a digit: steps of a picture."""

import cv2
import numpy as np

from benchmarks.pictures.scene import Box, Colour, Mask, Picture, Random, painted, step
from benchmarks.pictures.strokes import SHIFT, subpixels


@step
def underlined(
    picture: Picture,
    box: Box,
    rng: Random,
    colour: Colour,
    gap: tuple[float, float],
    reach: tuple[float, float],
    slope: float = 0.04,
) -> Picture:
    """A line `gap` digit heights below the digit, extending `reach` heights beyond it on either side, almost level."""
    foot = box.top + box.height * (1 + rng.uniform(*gap))
    left = box.left - rng.uniform(*reach) * box.height
    right = box.left + box.width + rng.uniform(*reach) * box.height
    tilt = rng.uniform(-slope, slope) * (right - left) / 2
    mask = np.zeros(picture.shape[:2], np.float32)
    start, end = subpixels([(left, foot - tilt), (right, foot + tilt)]).tolist()
    cv2.line(mask, start, end, 1.0, _thickness(box, rng), cv2.LINE_AA, SHIFT)
    return painted(picture, mask, colour)


@step
def ringed(picture: Picture, box: Box, rng: Random, colour: Colour, room: tuple[float, float]) -> Picture:
    """A ring around the digit, `room` digit heights away from its corners."""
    mask: Mask = np.zeros(picture.shape[:2], np.float32)
    middle = box.left + box.width / 2, box.top + box.height / 2
    diagonal = np.hypot(box.width, box.height) / 2
    axes = [diagonal + rng.uniform(*room) * box.height for _ in range(2)]
    centre, lengths = subpixels([middle, axes]).tolist()
    cv2.ellipse(mask, centre, lengths, 0, 0, 360, 1.0, _thickness(box, rng), cv2.LINE_AA, SHIFT)
    return painted(picture, mask, colour)


@step
def cut_out(picture: Picture, box: Box, rng: Random, room: tuple[float, float] = (0, 0)) -> Picture:
    """The picture cropped to the digit plus `room` digit heights of paper; a negative room cuts into the digit."""
    top, bottom, left, right = (round(rng.uniform(*room) * box.height) - 1 for _ in range(4))
    rows = slice(max(0, box.top - top), box.top + box.height + bottom)
    return picture[rows, max(0, box.left - left) : box.left + box.width + right]


@step
def enlarged(picture: Picture, _box: Box, rng: Random, times: tuple[float, float]) -> Picture:
    """A picture reduced to a height of 20 pixels and enlarged again, with soft edges."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(4, round(20 * width / height)), 20), interpolation=cv2.INTER_AREA)
    factor = rng.uniform(*times)
    large = np.clip(cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), 0, 1)
    return np.asarray(large.reshape(*large.shape[:2], picture.shape[2]), np.float32)


def _thickness(box: Box, rng: Random) -> int:
    return max(1, round(rng.uniform(0.04, 0.09) * box.height))
