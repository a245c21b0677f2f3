"""Grey levels -> contrast: how far each pixel stands out from its paper towards the ink, whatever the light.

Two ways to see the paper. Where the light is even the picture has two clear levels, and the paper is the more common
one. Where it is not, the paper is what remains when everything narrower than a stroke could be is filled in: the
morphological closing, or opening for light ink (Serra 1982, "Image Analysis and Mathematical Morphology", chapter XII).
It keeps slopes and straight edges as they are, so that neither a gradient nor the edge of a shadow counts as ink.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # [height, width]
Floats = npt.NDArray[np.float32]  # [height, width]
Mask = npt.NDArray[np.uint8]  # [height, width], 0 or 1
Pixels = TypeVar("Pixels", Grey, Floats)
Labels = npt.NDArray[np.int32]  # [height, width], 0 = paper
# How many 8-connected components there are, with the paper, their labels, and cv2's statistics of each.
Components = tuple[int, Labels, npt.NDArray[np.int32]]

cv2.setNumThreads(1)  # a request has a thread of its own already

_MIN_STEP = 30  # grey levels between paper and ink; with less, noise and light have to be told apart from ink
_EVEN = 0.2  # of that step: so far may the middle 70% of the paper spread; the rest may be edges of strokes
_SMOOTH = 0.8  # pixels: standard deviation
_AROUND = 5  # pixels: of so wide an edge the whole step is seen at least
_DARKEST_PAPER = 24  # grey levels: in deeper shadow than this the contrast is not scaled up further
_EVENLY, UNEVEN = 0.7, 0.2  # of the ink's darkness; a larger share of the strokes' middle is fainter in a shadow


LONGEST_SIDE, SHORTEST_SIDE = 256, 128  # pixels of the working copy's longer side


class Histogram:
    """How often each level occurs, for quantiles in far less time than sorting takes."""

    def __init__(self, values: Floats | Grey) -> None:
        """Count grey levels, or contrasts from -256 to 512, in quarters of a level; floats cv2 counts slowly."""
        grey = values.dtype == np.uint8
        self._low, self._step, bins = (0.0, 1.0, 256) if grey else (-256.0, 0.25, 3072)
        steps = values if grey else ((values - self._low) * np.float32(4)).astype(np.uint16)
        self.counts = np.asarray(cv2.calcHist([steps.reshape(1, -1)], [0], None, [bins], [0, bins]), np.float64)[:, 0]
        self._below = self.counts.cumsum()

    def quantile(self, share: float, first: int = 0, end: int | None = None) -> float:
        """Return the level, within the bins from `first` to `end`, below which `share` of the values lie."""
        below = self._below[first:end] - self._below[first - 1] if first else self._below[:end]
        return self._low + self._step * (first + int(below.searchsorted(share * below[-1])))

    def share_below(self, level: float) -> float:
        """Return the share of the values below `level`."""
        first = min(max(0, int((level - self._low) / self._step)), len(self._below))
        return float(self._below[first - 1] / self._below[-1]) if first else 0.0

    def split(self) -> int:
        """Return the bin that parts the two classes with the most variance between them (Otsu 1979, equation 18)."""
        below, levels = self._below, np.arange(len(self.counts))
        sums = (self.counts * levels).cumsum()
        above = below[-1] - below
        gap = sums[-1] * below - below[-1] * sums
        return int(np.argmax(gap * gap / np.maximum(below * above, 1)))


@dataclass(frozen=True)
class Contrast:
    """How far each pixel stands out from its paper, float32 in grey levels.

    `pixels` are the levels of the picture, turned so that ink is dark, and `paper` those of the paper under them.
    `steps` finds those between levels around each pixel, float32 in grey levels: few readings need them.
    """

    levels: Floats
    pixels: Grey
    paper: Grey
    steps: Callable[[], Floats]


@dataclass(frozen=True)
class EvenLight:
    """Paper of one level, and ink that is lighter or darker."""

    level: float
    light_ink: bool

    widest = None

    @classmethod
    def of(cls, grey: Grey, *, strict: bool = True) -> "EvenLight | None":
        """Return the light of a picture that has one even paper, None of any other.

        The paper is the class that holds more of the picture and of its border together. Where it is not `strict`
        the paper may be of many levels, as in a small bitmap, in which most pixels are an edge of something.
        """
        histogram = Histogram(grey)
        split = histogram.split()
        share = histogram.counts[: split + 1].sum() / grey.size
        if share in (0, 1):
            return None
        dark_paper = share + np.mean(border(grey) <= split) > 1
        paper, ink = ((0, split + 1), (split + 1, 256)) if dark_paper else ((split + 1, 256), (0, split + 1))
        level = histogram.quantile(0.5, *paper)
        step = abs(histogram.quantile(0.5, *ink) - level)
        spread = histogram.quantile(0.85, *paper) - histogram.quantile(0.15, *paper)
        if step < _MIN_STEP or (strict and spread > _EVEN * step):
            return None
        return cls(level, light_ink=bool(dark_paper))

    def contrast(self, grey: Grey, soft: int = 0) -> Contrast:
        """Return the contrast of a picture so lit, the edges in which are `soft` pixels wide."""
        pixels, level = (255 - grey, 255 - self.level) if self.light_ink else (grey, self.level)
        levels, paper = np.float32(level) - pixels, np.full_like(grey, level)
        return Contrast(levels, pixels, paper, lambda: _steps(grey, soft).astype(np.float32))


@dataclass(frozen=True)
class UnevenLight:
    """Any light, and strokes of at most `widest` pixels, lighter or darker than their paper."""

    widest: int
    light_ink: bool

    def contrast(self, grey: Grey, soft: int = 0) -> Contrast:
        """Return the contrast of strokes, in grey levels of the brightest paper; edges are `soft` pixels wide.

        Beyond its border the picture goes on as it ends: a dark frame is then as wide as paper, and no stroke.
        """
        # The paper has to be as smooth as the picture that it is taken from, or every edge of a shadow would stand out.
        pixels = np.asarray(cv2.GaussianBlur(255 - grey if self.light_ink else grey, (0, 0), _SMOOTH), np.uint8)
        beyond = max(soft, _AROUND)
        closed = _closed(pixels, self.widest, beyond)
        paper = closed[beyond:-beyond, beyond:-beyond]
        gain: Floats | np.float32 = np.float32(1)
        if not self.light_ink:  # light multiplies: in half the light ink stands out half as far
            gains = np.float32(paper.max()) / np.maximum(np.arange(256, dtype=np.float32), _DARKEST_PAPER)
            gain = np.asarray(cv2.LUT(paper, gains), np.float32)
        levels = np.asarray(cv2.subtract(paper, pixels, dtype=cv2.CV_32F), np.float32) * gain

        def find_steps() -> Floats:
            # Where strokes are wider than that they end inside, at a step of what is taken for paper.
            steps = cv2.subtract(_steps(pixels, soft), _steps(closed, soft)[beyond:-beyond, beyond:-beyond])
            return np.asarray(steps * gain, np.float32)

        return Contrast(levels, pixels, paper, find_steps)


Light = EvenLight | UnevenLight


def lights(grey: Grey, widths: Iterable[int]) -> Iterator[Light]:
    """Yield even light, if the picture is so lit, then uneven light with strokes of each width, dark and light."""
    even = EvenLight.of(grey)
    if even is not None:
        yield even
    for widest in widths:
        yield UnevenLight(widest, light_ink=False)
        yield UnevenLight(widest, light_ink=True)


def _closed(grey: Grey, room: int, beyond: int) -> Grey:
    """Return the closing by a square of `room` pixels, or one more if even, of a picture and `beyond` around it."""
    half = room // 2
    wide = 2 * half + beyond
    padded = cv2.copyMakeBorder(grey, wide, wide, wide, wide, cv2.BORDER_REPLICATE)
    return _in_square(np.minimum, _in_square(np.maximum, np.asarray(padded, np.uint8), half), half)


def _in_square(extreme: np.ufunc, grey: Grey, half: int) -> Grey:
    """Return the extreme of each square within a picture that has so many pixels on each side of its middle one.

    By doubling, over two rows, four, eight, the picture turned, and so on: cv2's time grows with the square's side.
    """
    for _ in range(2):
        size, side = 1, 2 * half + 1
        while size < side:
            step = min(size, side - size)
            grey = extreme(grey[step:], grey[:-step])
            size += step
        grey = np.asarray(cv2.transpose(grey), np.uint8)
    return grey


def morphed(pixels: Pixels, way: int, rows: int, columns: int | None = None) -> Pixels:
    """Return a picture after one of cv2's morphological operations by a rectangle, or by a square of so many rows."""
    return np.asarray(cv2.morphologyEx(pixels, way, np.ones((rows, columns or rows), np.uint8)), pixels.dtype)


def _steps(grey: Grey, soft: int) -> Grey:
    """Return by how much the levels around each pixel differ, beyond what they differ all over the picture."""
    steps = morphed(grey, cv2.MORPH_GRADIENT, max(soft, _AROUND) | 1)
    usual = np.uint8(median(steps))
    return np.maximum(steps, usual) - usual


def median(levels: Grey) -> int:
    """Return the middle level."""
    return int(Histogram(levels).quantile(0.5))


def halved(grey: Grey, longest: int) -> Grey:
    """Return the picture, halved by averaging while its longer side has more than `longest` pixels."""
    while max(grey.shape) > longest:
        height, width = (side // 2 for side in grey.shape)
        if min(height, width) == 0:
            break
        grey = np.asarray(
            cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
    return grey


def working_copy(grey: Grey) -> Grey:
    """Scale so that the longer side has 128 to 256 pixels: pictures shrink by averaging, bitmaps grow without steps."""
    grey = halved(grey, 2 * LONGEST_SIDE)
    longest = max(grey.shape)
    if longest > LONGEST_SIDE:
        return resized(grey, LONGEST_SIDE / longest)
    return grey if longest >= SHORTEST_SIDE else enlarged(grey, -(-SHORTEST_SIDE // longest))


def resized(pixels: Pixels, factor: float, enlarging: int = cv2.INTER_LINEAR) -> Pixels:
    """Return a picture so many times as large; it shrinks by averaging."""
    height, width = pixels.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    way = cv2.INTER_AREA if factor < 1 else enlarging
    return np.asarray(cv2.resize(pixels, size, interpolation=way), pixels.dtype)


def enlarged(grey: Grey, times: int) -> Grey:
    """Return a picture so many times as large, without steps."""
    return np.asarray(cv2.GaussianBlur(resized(grey, times), (0, 0), 0.35 * times), np.uint8)


def components(mask: Mask) -> Components:
    """Return what hangs together in a mask, of which only the part is searched where anything is.

    The statistics of the paper, in row 0, have the bounds of the mask.
    """
    left, top, width, height = cv2.boundingRect(mask)
    left, top, right, bottom = left & ~1, top & ~1, left + width, top + height  # even: as two by two pixels are scanned
    part = np.ascontiguousarray(mask[top:bottom, left:right]) if width else mask[:1, :1]
    count, inside, statistics, _ = cv2.connectedComponentsWithStatsWithAlgorithm(part, 8, cv2.CV_32S, cv2.CCL_GRANA)
    labels = np.zeros(mask.shape, np.int32)
    labels[top:bottom, left:right] = inside[: bottom - top, : right - left]
    statistics[:, :2] += np.array([left, top], np.int32)
    statistics[0] = 0, 0, *mask.shape[::-1], mask.size - statistics[1:, cv2.CC_STAT_AREA].sum()
    return count, labels, statistics  # type: ignore[return-value]


def totals(found: Components, strokes: Mask, of: tuple[npt.NDArray[Any], ...]) -> list[npt.NDArray[Any]]:
    """Return the sum of each of some pictures over each component."""
    inked = np.flatnonzero(strokes.view(bool))
    count, labels, _ = found
    label = labels.take(inked)
    return [np.bincount(label, each.take(inked), count) for each in of]


def border(grey: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the outermost pixels."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def faint_share(levels: npt.NDArray[Any], depth: Floats, full: float = 1) -> float:
    """Return how much of the strokes' middle is clearly fainter than ink of the level `full`, as it is in a shadow.

    `depth` is the distance of each pixel to the paper.
    """
    return float(np.mean(levels[depth > depth.max() / 2] < _EVENLY * full))
