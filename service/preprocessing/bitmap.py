"""Small bitmaps: in their own resolution, without the bars that a program put beside them, and told from noise."""

import cv2
import numpy as np

from service.preprocessing.illumination import Grey, components, median

LEAST_SIDE = 3  # pixels
_SQUARES, _ROWS = 3, 16  # pixels, the least of a magnified bitmap's squares; rows in which they are looked for
_COARSEST = 7  # pixels: coarser squares are a drawing of lines and not a bitmap
_NOISE_LIKE = 0.75  # roughness of a bitmap of 8x8 with a digit in it may be as much
_NEAR, _FAR = 0.06, 0.4  # of the levels' range: as the paper, surely not as the paper
_LEAST_PAPER, _MOST_LINES, _ONE_LINE = 0.4, 0.38, 0.6  # of the pixels: as the paper, not; of these, in one piece
_LINKED, _MOST_OF_GAPPED = 0.85, 0.16  # of a line with gaps has a neighbour; of the pixels, such a line
_FLAT, _UNLIKE_PAPER = 8, 40  # grey levels: within a bar; between it and the paper


def unmagnified(grey: Grey) -> Grey:
    """Return a bitmap in its own resolution, if that is what the picture shows with every pixel as a square."""
    times = _magnification(grey)
    times = times if times < _SQUARES else min(times, _magnification(grey.T))
    if times < _SQUARES or min(grey.shape) < _COARSEST * times:
        return grey
    bitmap = np.ascontiguousarray(grey[::times, ::times])
    return bitmap if np.array_equal(np.repeat(np.repeat(bitmap, times, 0), times, 1), grey) else grey


def _magnification(grey: Grey) -> int:
    """Return how many columns at least are alike next to each other, seen in a few rows."""
    width = grey.shape[1]
    rows = grey[:: max(1, len(grey) // _ROWS)]
    changes = np.flatnonzero((rows[:, 1:] != rows[:, :-1]).any(axis=0)) + 1
    return int(np.gcd.reduce(changes, initial=width))


def without_bars(grey: Grey) -> Grey:
    """Return a bitmap without the flat bars that a program put along two opposite sides."""
    for turned in (grey, grey.T):
        flat = np.ptp(turned, axis=1) <= _FLAT
        first, last = int(np.argmin(flat)), len(flat) - int(np.argmin(flat[::-1]))
        inner = turned[first:last]
        if not 0 < first < last < len(flat) or min(inner.shape) < LEAST_SIDE:
            continue
        paper = median(np.concatenate([inner[:, 0], inner[:, -1]]))
        if min(abs(int(bar) - paper) for bar in (turned[0, 0], turned[-1, 0])) > _UNLIKE_PAPER:
            return inner if turned is grey else inner.T
    return grey


def is_noise(grey: Grey, paper: float) -> bool:
    """Tell whether neighbours are as different as pixels anywhere, and not because of lines a pixel wide."""
    return _roughness(grey) > _NOISE_LIKE and not _is_line_drawing(grey, paper)


def _is_line_drawing(grey: Grey, paper: float) -> bool:
    """Tell whether much is as the paper, and most of what is not hangs together: so it hardly ever is in noise."""
    away = np.abs(grey - np.float32(paper)) / max(1, int(np.ptp(grey)))
    marks = (away > _FAR).view(np.uint8)
    _, _, pieces = components(marks)
    areas = pieces[1:, cv2.CC_STAT_AREA]
    one_line = areas.max(initial=0) > _ONE_LINE * areas.sum() and areas.sum() < _MOST_LINES * grey.size
    around = cv2.boxFilter(marks, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    linked = np.count_nonzero((around > 1) & (marks > 0))
    gapped = linked > _LINKED * areas.sum() and areas.sum() < _MOST_OF_GAPPED * grey.size
    return bool((one_line or gapped) and np.mean(away < _NEAR) > _LEAST_PAPER)


def _roughness(grey: Grey) -> float:
    """Return how different neighbours are, beside pixels anywhere: 1 is noise (von Neumann 1941, the ratio halved)."""
    levels = grey.astype(np.float64)
    steps = np.concatenate([np.diff(levels, axis=0).ravel(), np.diff(levels, axis=1).ravel()])
    return float(np.mean(steps * steps) / 2 / max(levels.var(), 1e-9))
