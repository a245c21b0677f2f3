"""Clear pictures, told first and read the shortest way: one figure on even paper, and nothing else.

Drawings, screenshots, clean scans and bitmaps are mostly so. Whatever leaves a doubt goes to the full set of readings.
"""

from typing import NamedTuple

import cv2
import numpy as np

from service.preprocessing.illumination import Floats, Grey, border, halved
from service.preprocessing.page import is_bar, is_polygon

_LONGEST = 256  # pixels: of the picture that is looked at
_FINE = 128  # pixels: of the figure; more are averaged first
_STEP = 60  # grey levels between paper and ink
_EVEN = 0.08  # of that step: so far from the paper are the border and what is on its other side
_TRACE, _STROKE, _FAINTEST = 0.1, 0.3, 0.12  # of the ink's darkness
_STRONGEST = 0.98  # of the ink is no darker
_NEAR = 0.05  # of the figure's longer side: so far from its strokes end its traces
_SMALLEST, _WIDEST, _STOUT = 0.07, 2.5, 0.3  # of the picture; times its height; of the figure's longer side


class _Light(NamedTuple):
    """The paper's level, the greatest contrast to it, in grey levels, and whether the ink is lighter."""

    paper: int
    strongest: int
    light_ink: bool

    def contrast(self, grey: Grey) -> Grey:
        if self.light_ink:
            return np.maximum(grey, self.paper) - np.uint8(self.paper)
        return np.uint8(self.paper) - np.minimum(grey, self.paper)


def find_clear(grey: Grey) -> Floats | None:
    """Return the ink of the only figure in a clear picture, float32 [height, width], 0 to 1; None of any other."""
    small = halved(grey, _LONGEST)
    light = _light(small)
    if light is None:
        return None
    traces = (light.contrast(small) > _TRACE * light.strongest).view(np.uint8)
    outlines, _ = cv2.findContours(traces, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(outlines) != 1 or (is_polygon(outlines[0]) and not is_bar(outlines[0])):
        return None
    left, top, width, height = cv2.boundingRect(outlines[0])
    if max(width, height) < _SMALLEST * max(small.shape) or width > _WIDEST * height:
        return None
    times = grey.shape[0] // small.shape[0]
    part = grey[(top - 1) * times : (top + height + 1) * times, (left - 1) * times : (left + width + 1) * times]
    return _ink(light.contrast(halved(part, _FINE)), light)


def _light(grey: Grey) -> _Light | None:
    """Return how a picture is lit that has nothing but its even paper at the border, and ink on one side of that."""
    rim = np.sort(border(grey))
    paper = int(rim[len(rim) // 2])
    low, high, _, _ = cv2.minMaxLoc(grey)
    other, step = sorted((round(high) - paper, paper - round(low)))
    if step < _STEP or max(other, int(rim[-1]) - paper, paper - int(rim[0])) > _EVEN * step:
        return None
    return _Light(paper, step, high - paper == step)


def _ink(contrast: Grey, light: _Light) -> Floats | None:
    """Return contrast as ink, if all of it is slender strokes."""
    full = _usual(contrast, _TRACE * light.strongest)
    strokes, traces = ((contrast > share * full).view(np.uint8) for share in (_STROKE, _FAINTEST))
    box, outer = cv2.boundingRect(strokes), cv2.boundingRect(traces)
    longer = max(box[2:])
    if max(outer[2] - box[2], outer[3] - box[3]) > max(2, _NEAR * longer):
        return None
    if 2 * cv2.distanceTransform(strokes, cv2.DIST_L2, 3).max() > max(_STOUT * longer, 3):
        return None
    ink = np.minimum(contrast * np.float32(1 / full), np.float32(1))
    return np.asarray(ink * traces, np.float32)


def _usual(contrast: Grey, least: float) -> int:
    """Return the median contrast of the dark ink: of what has half of the strongest."""
    counts = np.asarray(cv2.calcHist([contrast], [0], None, [256], [0, 256]), np.float64)
    below = counts[:, 0].cumsum()
    first, total = below[int(least)], below[-1]
    half = int(np.searchsorted(below, first + _STRONGEST * (total - first))) // 2
    return int(np.searchsorted(below, (below[half] + total) / 2))
