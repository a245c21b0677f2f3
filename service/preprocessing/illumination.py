"""Grey levels -> contrast: how far each pixel stands out from its paper towards the ink, whatever the light.

Two ways to see the paper. Where the light is even the picture has two clear levels, and the paper is the more common
one. Where it is not, the paper is what remains when everything narrower than a stroke could be is filled in: the
morphological closing, or opening for light ink (Serra 1982, "Image Analysis and Mathematical Morphology", chapter XII).
It keeps slopes and straight edges as they are, so that neither a gradient nor the edge of a shadow counts as ink.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]  # [height, width]
Floats = npt.NDArray[np.float32]  # [height, width]
Mask = npt.NDArray[np.uint8]  # [height, width], 0 or 1
Labels = npt.NDArray[np.int32]  # [height, width], 0 = paper

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

    def __init__(self, values: Floats | Grey, low: float = 0, high: float = 256, bins: int = 256) -> None:
        self._low, self._step = low, (high - low) / bins
        if values.dtype == np.uint8:
            steps: npt.NDArray[Any] = np.ascontiguousarray(values)
        else:  # of floats cv2 counts slowly
            steps = ((values - low) * np.float32(bins / (high - low))).astype(np.uint16)
        flat = steps.reshape(1, -1)
        self.counts = np.asarray(cv2.calcHist([flat], [0], None, [bins], [0, bins]), np.float64)[:, 0]

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


class Contrast(NamedTuple):
    """How far each pixel stands out from its paper, and the steps between levels around it, float32 in grey levels.

    `pixels` are the levels of the picture, turned so that ink is dark, and `paper` those of the paper under them.
    """

    levels: Floats
    steps: Floats
    pixels: Grey
    paper: Floats


@dataclass(frozen=True)
class EvenLight:
    """Paper of one level, and ink that is lighter (`sign` 1) or darker (-1)."""

    level: float
    sign: int

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
        return cls(level, 1 if dark_paper else -1)

    def contrast(self, grey: Grey, soft: int = 0) -> Contrast:
        """Return the contrast of a picture so lit, the edges in which are `soft` pixels wide."""
        pixels = 255 - grey if self.sign > 0 else grey
        paper = np.full(grey.shape, 255 - self.level if self.sign > 0 else self.level, np.float32)
        return Contrast(paper - pixels, _steps(grey, soft).astype(np.float32), pixels, paper)


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
        room = self.widest
        padded = cv2.copyMakeBorder(pixels, room, room, room, room, cv2.BORDER_REPLICATE)
        closed = np.asarray(
            cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((room | 1, room | 1), np.uint8)), np.uint8
        )
        paper = closed[room:-room, room:-room].astype(np.float32)
        # Where strokes are wider than that they end inside, at a step of what is taken for paper.
        levels, steps = paper - pixels, cv2.subtract(_steps(pixels, soft), _steps(closed, soft)[room:-room, room:-room])
        if not self.light_ink:  # light multiplies: in half the light ink stands out half as far
            gain = paper.max() / np.maximum(paper, _DARKEST_PAPER)
            levels, steps = levels * gain, steps * gain
        return Contrast(np.asarray(levels, np.float32), np.asarray(steps, np.float32), pixels, paper)


Light = EvenLight | UnevenLight


def _steps(grey: Grey, soft: int) -> Grey:
    """Return by how much the levels around each pixel differ, beyond what they differ all over the picture."""
    side = max(soft, _AROUND) | 1
    steps = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8)), np.uint8)
    return np.maximum(steps, median(steps)) - np.uint8(median(steps))


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
    height, width = grey.shape
    longest = max(grey.shape)
    if longest > LONGEST_SIDE:
        factor = LONGEST_SIDE / longest
        size = max(1, round(width * factor)), max(1, round(height * factor))
        return np.asarray(cv2.resize(np.ascontiguousarray(grey), size, interpolation=cv2.INTER_AREA), np.uint8)
    if longest >= SHORTEST_SIDE:
        return grey
    times = -(-SHORTEST_SIDE // longest)
    grown = cv2.resize(np.ascontiguousarray(grey), (width * times, height * times), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.35 * times), np.uint8)


def components(mask: Mask) -> tuple[int, Labels, npt.NDArray[np.int32]]:
    """Return how many 8-connected components there are, the background included, their labels, and their statistics.

    The statistics are cv2's, found from the runs of ink in each row: cv2 reads every pixel of the paper for them.
    """
    count, found = cv2.connectedComponentsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_GRANA)
    labels = np.asarray(found, np.int32)
    height, width = mask.shape
    inked = np.zeros((height, width + 2), np.bool_)
    inked[:, 1:-1] = mask
    ends = np.flatnonzero(inked[:, 1:] != inked[:, :-1])
    rows, lefts = np.divmod(ends[::2], width + 1)
    lengths = ends[1::2] - ends[::2]
    label = labels[rows, lefts]
    left, top = np.full((2, count), max(mask.shape))
    right, bottom = np.zeros((2, count), np.intp)
    np.minimum.at(left, label, lefts)
    np.maximum.at(right, label, lefts + lengths)
    top[label[::-1]], bottom[label] = rows[::-1], rows + 1
    statistics = np.column_stack([left, top, right - left, bottom - top, np.bincount(label, lengths, count)])
    statistics[0] = 0, 0, width, height, mask.size - lengths.sum()
    return count, labels, statistics.astype(np.int32)


def border(grey: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the outermost pixels."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def faint_share(levels: npt.NDArray[Any], depth: Floats, full: float = 1) -> float:
    """Return how much of the strokes' middle is clearly fainter than ink of the level `full`, as it is in a shadow.

    `depth` is the distance of each pixel to the paper.
    """
    return float(np.mean(levels[depth > depth.max() / 2] < _EVENLY * full))
