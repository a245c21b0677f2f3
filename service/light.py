"""Grey levels -> contrast: how far each pixel stands out from its paper towards the ink, whatever the light.

Two ways to see the paper. Where the light is even the picture has two clear levels, and the paper is the more common
one. Where it is not, the paper is what remains when everything narrower than a stroke could be is filled in: the
morphological closing, or opening for light ink (Serra 1982, "Image Analysis and Mathematical Morphology", chapter XII).
It keeps slopes and straight edges as they are, so that neither a gradient nor the edge of a shadow counts as ink.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # [height, width]
Floats = npt.NDArray[np.float32]  # [height, width]
Mask = npt.NDArray[np.uint8]  # [height, width], 0 or 1

cv2.setNumThreads(1)  # a request has a thread of its own already

_MIN_STEP = 30  # grey levels between paper and ink; with less, noise and light have to be told apart from ink
_EVEN = 0.2  # of that step: so far may the middle 70% of the paper spread; the rest may be edges of strokes
_DARKEST_PAPER = 24  # grey levels: in deeper shadow than this the contrast is not scaled up further


class Histogram:
    """How often each level occurs, for quantiles in far less time than sorting takes."""

    def __init__(self, values: Floats | Grey, low: float = 0, high: float = 256, bins: int = 256) -> None:
        self._low, self._step = low, (high - low) / bins
        flat: npt.NDArray[Any] = np.ascontiguousarray(values).reshape(1, -1)
        self.counts = np.asarray(cv2.calcHist([flat], [0], None, [bins], [low, high]), np.float64)[:, 0]

    def quantile(self, share: float, first: int = 0, end: int | None = None) -> float:
        """Return the level, within the bins from `first` to `end`, below which `share` of the values lie."""
        below = self.counts[first:end].cumsum()
        return self._low + self._step * (first + int(np.searchsorted(below, share * below[-1])))

    def share_below(self, level: float) -> float:
        """Return the share of the values below `level`."""
        return float(self.counts[: max(0, int((level - self._low) / self._step))].sum() / self.counts.sum())

    def split(self) -> int:
        """Return the bin that parts the two classes with the most variance between them (Otsu 1979, equation 18)."""
        below, levels = self.counts.cumsum(), np.arange(len(self.counts))
        sums = (self.counts * levels).cumsum()
        above = below[-1] - below
        gap = sums[-1] * below - below[-1] * sums
        return int(np.argmax(gap * gap / np.maximum(below * above, 1)))


def even_contrast(grey: Grey, scaled: Grey) -> Floats | None:
    """Return the contrast of `scaled`, float32 in grey levels, if `grey` has one even paper; None otherwise.

    `grey` is judged in its own resolution: enlarging a bitmap blurs its two levels into many.
    The paper is the class that holds more of the picture and of its border together.
    """
    histogram = Histogram(grey)
    split = histogram.split()
    share = histogram.counts[: split + 1].sum() / grey.size
    if share == 1:
        return None
    dark_paper = share + np.mean(_border(grey) <= split) > 1
    paper, ink = ((0, split + 1), (split + 1, 256)) if dark_paper else ((split + 1, 256), (0, split + 1))
    level = histogram.quantile(0.5, *paper)
    step = abs(histogram.quantile(0.5, *ink) - level)
    spread = histogram.quantile(0.85, *paper) - histogram.quantile(0.15, *paper)
    if step < _MIN_STEP or spread > _EVEN * step:
        return None
    return (scaled - np.float32(level)) * np.float32(1 if dark_paper else -1)


def uneven_contrast(grey: Grey, widest: int, *, light_ink: bool) -> Floats:
    """Return the contrast of strokes up to `widest` pixels wide, float32 in grey levels of the brightest paper.

    Beyond its border the picture goes on as it ends: a dark frame is then as wide as paper, and no stroke.
    """
    # The paper has to be as smooth as the picture that it is taken from, or every edge of a shadow would stand out.
    pixels = cv2.GaussianBlur(255 - grey if light_ink else grey, (0, 0), 1)
    padded = cv2.copyMakeBorder(pixels, widest, widest, widest, widest, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((widest | 1, widest | 1), np.uint8))
    paper = closed[widest:-widest, widest:-widest].astype(np.float32)
    contrast = paper - pixels
    if not light_ink:  # light multiplies: in half the light ink stands out half as far
        contrast *= paper.max() / np.maximum(paper, _DARKEST_PAPER)
    return np.asarray(contrast, np.float32)


def sheet(grey: Grey) -> Grey | None:
    """Return the inside of a sheet with something on it that lies before another ground; None where there is none.

    A sheet is one region with four corners, alone in its class, that something else surrounds.
    """
    split = Histogram(grey).split()
    for region in (grey > split, grey <= split):
        opened = cv2.morphologyEx(region.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        inside = _four_corners(np.asarray(opened, np.uint8))
        if inside is not None:
            return _cut(grey, inside)
    return None


def _four_corners(region: Mask) -> Mask | None:
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    area, hull = cv2.contourArea(outline), cv2.convexHull(outline)
    if not 0.12 < area / region.size < 0.97 or area < 0.95 * cv2.contourArea(hull):
        return None
    corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)
    if len(corners) > 5 or cv2.contourArea(corners) < 0.93 * cv2.contourArea(hull):
        return None
    inside = np.zeros_like(region)
    cv2.drawContours(inside, [outline], -1, 1, -1)
    return _without_edge(region, inside)


def _without_edge(region: Mask, inside: Mask) -> Mask | None:
    """Shrink `inside` past its own edge, if it is mostly paper, holds something, and has no like around it."""
    if inside.all() or region[inside == 0].mean() > 0.15 or region[inside > 0].mean() < 0.55:
        return None
    edge = int(0.03 * max(inside.shape)) | 1
    inner = cv2.erode(inside, np.ones((edge, edge), np.uint8))
    if inner.mean() < 0.05 or np.mean(region[inner > 0] == 0) < 0.002:
        return None
    return np.asarray(inner, np.uint8)


def _cut(grey: Grey, inside: Mask) -> Grey:
    left, top, width, height = cv2.boundingRect(inside)
    part = np.s_[top : top + height, left : left + width]
    pixels, outside = grey[part].copy(), inside[part] == 0
    pixels[outside] = int(Histogram(pixels[~outside]).quantile(0.5))
    return pixels


def _border(grey: Grey) -> Grey:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
