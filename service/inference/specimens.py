"""Digits drawn by this code, to reject models that cannot read, whatever their manifest says."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Floats, Grey
from service.preprocessing.mnist_format import centre, fit

_SIDE = 128
_SUBPIXEL = 4  # bits of a pixel's fraction that OpenCV draws with

# Each stroke is a line through points `x,y` in hundredths of the digit's height, its bends rounded.
_STROKES = (
    "36,0 14,8 2,30 0,55 8,86 28,100 50,92 62,66 62,38 54,10 36,0",
    "30,0 30,30 30,70 30,100",
    "4,24 10,4 34,0 56,8 60,30 44,56 22,76 2,98 2,98 24,94 46,96 70,98",
    "6,8 26,0 48,2 58,18 50,36 26,46 26,46 52,52 64,70 56,90 34,100 14,98 2,88",
    "8,2 6,20 2,50 2,50 20,52 40,52 64,50|58,2 57,30 55,70 54,100",
    "60,2 40,3 16,4 16,4 13,22 10,42 10,42 30,38 50,44 60,62 56,84 38,98 16,98 0,90",
    "46,0 26,14 10,40 2,66 6,88 24,100 46,94 54,76 46,60 28,56 10,66 4,76",
    "0,6 0,6 20,5 44,4 64,3 64,3 56,24 46,50 36,74 26,100",
    "52,14 36,0 16,6 10,22 20,38 38,50 56,66 58,86 38,100 16,94 8,78 18,60 38,44 52,30 52,14",
    "54,14 38,0 16,4 4,24 10,44 28,50 46,40 54,20 54,14 55,40 54,70 52,100",
)


class Hand(NamedTuple):
    """A handwriting: pen width and height in pixels, slant, relative width."""

    pen: int
    height: float
    slant: float
    breadth: float


_HANDS = (Hand(9, 84, 0.0, 1.0), Hand(13, 78, 0.22, 0.9), Hand(7, 90, 0.1, 1.12))


@cache
def specimens() -> tuple[Grey, npt.NDArray[np.uint8]]:
    """Return each digit in each hand as model input, uint8 [N, 28, 28], and the labels, uint8 [N]."""
    images = [centre(fit(draw(label, hand))) for hand in _HANDS for label in range(len(_STROKES))]
    return np.stack(images), np.tile(np.arange(len(_STROKES), dtype=np.uint8), len(_HANDS))


def draw(label: int, hand: Hand) -> Floats:
    """Return the ink of a digit with no paper around it, float32 [height, width] from 0 to 1."""
    ink = np.zeros((_SIDE, _SIDE), np.uint8)
    for stroke in _STROKES[label].split("|"):
        points = np.array([point.split(",") for point in stroke.split()], float) / 100
        line = _place(_rounded(points), hand) * (1 << _SUBPIXEL)
        cv2.polylines(ink, [np.rint(line).astype(np.int32)], False, 255, hand.pen, cv2.LINE_AA, _SUBPIXEL)
    left, top, width, height = cv2.boundingRect(ink)
    return np.asarray(ink[top : top + height, left : left + width] / 255, np.float32)


def _rounded(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cut the corners twice (Chaikin 1974, "An Algorithm for High Speed Curve Generation"); the ends stay."""
    for _ in range(2):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        cut = np.stack([near, far], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], cut, points[-1:]])
    return points


def _place(points: npt.NDArray[np.float64], hand: Hand) -> npt.NDArray[np.float64]:
    x, y = (points - (0.32, 0.5)).T
    return _SIDE / 2 + hand.height * np.column_stack([hand.breadth * x - hand.slant * y, y])
