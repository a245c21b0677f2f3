"""What people draw around a digit, and how they cut it out: steps of a picture."""

import cv2
import numpy as np

from benchmarks.pictures.scene import Box, Colour, Mask, Picture, Random, Step, painted
from benchmarks.pictures.strokes import SHIFT, subpixels

_INKED = 0.25  # from the paper


def underlined(colour: Colour, gap: tuple[float, float], reach: tuple[float, float]) -> Step:
    """A line below the digit, `gap` digit heights under it, that goes `reach` heights beyond it on either side."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        foot = box.top + box.height * (1 + rng.uniform(*gap))
        left = box.left - rng.uniform(*reach) * box.height
        right = box.left + box.width + rng.uniform(*reach) * box.height
        tilt = rng.uniform(-0.02, 0.02) * (right - left)
        mask = np.zeros(picture.shape[:2], np.float32)
        start, end = subpixels([(left, foot - tilt), (right, foot + tilt)]).tolist()
        cv2.line(mask, start, end, 1.0, _thickness(box, rng), cv2.LINE_AA, SHIFT)
        return painted(picture, mask, colour)

    return step


def ringed(colour: Colour, room: tuple[float, float]) -> Step:
    """A ring round the digit, `room` digit heights away from its corners."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        mask: Mask = np.zeros(picture.shape[:2], np.float32)
        middle = box.left + box.width / 2, box.top + box.height / 2
        diagonal = np.hypot(box.width, box.height) / 2
        axes = [diagonal + rng.uniform(*room) * box.height for _ in range(2)]
        centre, lengths = subpixels([middle, axes]).tolist()
        cv2.ellipse(mask, centre, lengths, 0, 0, 360, 1.0, _thickness(box, rng), cv2.LINE_AA, SHIFT)
        return painted(picture, mask, colour)

    return step


def cut_out(room: tuple[float, float] = (0, 0)) -> Step:
    """The part of a picture of even paper that the digit takes, with `room` digit heights of paper around it."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        around = [round(rng.uniform(*room) * box.height) for _ in range(4)]
        inked = (np.abs(picture - picture[0, 0]) > _INKED).any(axis=2)
        rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
        down = slice(max(0, rows[0] - around[0]), rows[-1] + 1 + around[1])
        return picture[down, max(0, columns[0] - around[2]) : columns[-1] + 1 + around[3]]

    return step


def _thickness(box: Box, rng: Random) -> int:
    return max(1, round(rng.uniform(0.04, 0.09) * box.height))
