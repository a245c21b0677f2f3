"""Grey levels -> ink on paper, and the strokes that may be writing."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from service.preprocessing.binarize import Ink, bitmap_ink, to_ink
from service.preprocessing.illumination import (
    LONGEST_SIDE,
    Contrast,
    EvenLight,
    Grey,
    Mask,
    border,
    enlarged,
    lights,
    morphed,
    resized,
    working_copy,
)
from service.preprocessing.numbers.marks import without_marks
from service.preprocessing.page import bounds_of, find_sheet, rim_of, without_ground

_AREA, _LONGEST = 160_000, 1200  # pixels of the copy that is read
_LOW = 64  # pixels: a lower picture is enlarged
_SQUEEZED = 1.6  # times its other side: a longer picture is squeezed to find the sheet in it
_NEAR_PAPER, _BARE, _ALL_PAPER = 25, 0.9, 0.97  # grey levels; of a picture, and of its border, is paper
_SMALL = 40  # pixels: strokes of so low a picture are mostly edge
_STROKE_WIDTHS = 0.12, 0.25  # of the shorter side: the widest stroke that is looked for in uneven light


class Copy(NamedTuple):
    """A part of a picture as it is read.

    `grey` is uint8 [height, width]; `rim` are the pixels at which the paper ends. A pixel of it at (x, y) is the
    picture's at (`left` + x * `scale`, `top` + y * `scale`). `small` says that the picture was enlarged for it.
    """

    grey: Grey
    rim: Mask
    left: float
    top: float
    scale: float
    small: bool


class Reading(NamedTuple):
    """One interpretation of a copy: its ink, its contrast, and the strokes that may be writing."""

    copy: Copy
    ink: Ink
    contrast: Contrast
    strokes: Mask
    widest: int | None


def readings(copy: Copy) -> Iterator[Reading]:
    """Yield interpretations of a copy, the most likely first: even light, then uneven light."""
    for light in lights(copy.grey, (max(5, int(share * min(copy.grey.shape))) for share in _STROKE_WIDTHS)):
        contrast, even = light.contrast(copy.grey), light.widest is None
        ink = bitmap_ink(contrast.levels) if copy.small and even else to_ink(contrast.levels, even=even)
        if ink is not None:
            yield Reading(copy, ink, contrast, without_marks(ink.strokes, ink.traces, ink.amount), light.widest)


def copies(grey: Grey) -> Iterator[Copy]:
    """Yield the parts of a picture to read: a sheet that lies in it, and all of it."""
    small = working_copy(grey)
    if max(small.shape) > _SQUEEZED * min(small.shape):  # a sheet as wide would be taken for a stroke
        small = np.asarray(cv2.resize(small, (LONGEST_SIDE, LONGEST_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    sheet = None if _is_bare(small) else find_sheet(small)
    if sheet is not None:
        yield _of_sheet(grey, sheet)
    yield part_of(grey, 0, 0, *grey.shape[::-1])


def _is_bare(grey: Grey) -> bool:
    """Whether a picture is of paper from border to border, with too little on it for a sheet that lies there."""
    light = EvenLight.of(grey)
    if light is None:
        return False
    paper = cv2.inRange(grey, light.level - _NEAR_PAPER, light.level + _NEAR_PAPER)
    return bool(cv2.mean(paper)[0] > _BARE * 255 and border(paper).mean() > _ALL_PAPER * 255)


def part_of(grey: Grey, left: int, top: int, width: int, height: int) -> Copy:
    """Return the copy of a part of a picture, as far as it lies in that."""
    part = grey[top : top + height, left : left + width]
    scaled, scale = _scaled(part)
    return Copy(scaled, rim_of(scaled), left, top, scale, min(part.shape) < _SMALL)


def _scaled(grey: Grey) -> tuple[Grey, float]:
    """Return a copy of bounded area, and its scale in pixels of the picture for one of its own."""
    height, width = grey.shape
    factor = min(1.0, (_AREA / (height * width)) ** 0.5, _LONGEST / max(height, width))
    if factor < 1:
        shrunk = resized(grey, factor)
        return shrunk, width / shrunk.shape[1]
    times = min(-(-_LOW // min(height, width)), max(1, _LONGEST // max(height, width)))
    return (enlarged(grey, times), 1 / times) if times > 1 else (np.ascontiguousarray(grey), 1.0)


def _of_sheet(grey: Grey, inside: Mask) -> Copy:
    """Return the part of a picture in which the sheet lies, without what is outside."""
    box, sheet = bounds_of(inside, grey)
    copy = part_of(grey, *box)
    filled, rim = without_ground(copy.grey, morphed(sheet, cv2.MORPH_DILATE, 3))
    return copy._replace(grey=filled, rim=rim)
