"""Strokes -> strokes without the lines that were printed on the paper."""

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Components, Floats, Mask, components, morphed

_RUN, _GAP = 0.1, 0.06  # of the picture: so long runs a line straight on; between its pieces
_SLOPES = np.linspace(-0.3, 0.3, 13)  # of the lines; one that is 1:17 off still holds long runs
_CLEARLY = 1.4  # times the energy of level rows has a slope at which there are lines
_THICKEST = 0.03  # of the picture
_WHOLE, _NEARLY = 0.97, 0.8  # of the picture: from border to border; in a picture taken askew, one end may be lost
_LONG, _SHORT = 0.5, 0.15  # of the picture: one of many; its end at a border
_MANY = 3
_FAINT = 0.7  # of the ink's darkness: what is clearly darker than such a line is ink on it
_COVERED = 0.5  # of a line's length at least has thin traces


def without_lines(strokes: Mask, traces: Mask, amount: Floats) -> Mask:
    """Return `strokes` without ruled and squared lines; where a stroke crosses one it stays whole.

    `traces` holds the lines even where they are fainter than strokes, and `amount` how much ink there is, which tells
    strokes along a faint line. A line is thin and straight and goes from border to border, or is one of several; it may
    slope by 1:3.
    """
    rows = _without_rows(strokes, traces, amount)
    cleaned = strokes if rows is None else rows
    columns = _without_rows(cleaned.T, traces.T, amount.T)
    return cleaned if columns is None else np.ascontiguousarray(columns.T)


def _without_rows(strokes: Mask, traces: Mask, amount: Floats) -> Mask | None:
    """Return the strokes without the lines that are nearer to level than to upright, None if there are none."""
    traces, strokes = np.ascontiguousarray(traces), np.ascontiguousarray(strokes)
    slope = _slope(traces)
    height, width = strokes.shape
    if not slope:
        return _without_level_lines(strokes, traces, amount, max(height, width), sloped=False)
    size = width, height + int(abs(slope) * (width - 1)) + 1
    shear = np.array([[1, 0, 0], [-slope, 1, max(0.0, slope * (width - 1))]], np.float64)
    strokes, traces = (_sheared(mask, shear, size) for mask in (strokes, traces))
    level = cv2.warpAffine(np.ascontiguousarray(amount), shear, size, flags=cv2.INTER_NEAREST)
    cleaned = _without_level_lines(strokes, traces, np.asarray(level, np.float32), max(height, width), sloped=True)
    return None if cleaned is None else _sheared(cleaned, shear, (width, height), cv2.WARP_INVERSE_MAP)


def _sheared(mask: Mask, shear: npt.NDArray[np.float64], size: tuple[int, int], way: int = 0) -> Mask:
    return np.asarray(cv2.warpAffine(mask, shear, size, flags=cv2.INTER_NEAREST | way), np.uint8)


def _slope(traces: Mask) -> float:
    """Return the slope at which most of the traces lie in few rows: that of the lines; 0 where none is clear."""
    rows, columns = np.nonzero(traces[:, ::4].view(bool))
    height, width = traces.shape
    most = int(0.6 * width) + 1
    room, slopes = height + 2 * most, len(_SLOPES)
    # Each slope has rows of its own, so that all are counted at once.
    first = room * np.arange(slopes)[:, None] + most - np.rint(_SLOPES[:, None] * np.arange(0, width, 4)).astype(int)
    counts = np.bincount((rows + first[:, columns]).ravel(), minlength=slopes * room)
    energies = np.square(counts.reshape(slopes, room)).sum(axis=1)
    best = int(np.argmax(energies))
    level = energies[len(_SLOPES) // 2]
    return float(_SLOPES[best]) if energies[best] > _CLEARLY * level else 0.0


def _without_level_lines(strokes: Mask, traces: Mask, amount: Floats, longest: int, *, sloped: bool) -> Mask | None:
    """Return the strokes without the level lines of a picture whose longer side has so many pixels; None as above.

    `sloped` says that it was sheared: where a line ended at the upper or lower border, one end may be lost.
    """
    width = traces.shape[1]
    beside = int((1 - _WHOLE + _GAP / 2) * width) + 2  # so near to a side goes on what ends at the border
    if not (traces[:, :beside].any() or traces[:, -beside:].any()):
        return None
    found = level_runs(traces, max(16, int(_RUN * width)), _LONG * width, int(_GAP * width))
    if found is None:
        return None
    count, labels, boxes = found
    limit, lengths = int(_THICKEST * longest) + 3, np.maximum(boxes[:, cv2.CC_STAT_WIDTH], 1)
    # A digit's stroke that lies along the line would make it thick: only what is thin is measured.
    thin = (traces > 0) & (morphed(traces, cv2.MORPH_OPEN, limit) == 0)
    thickness = np.bincount(labels[thin], minlength=count) / lengths
    starts = boxes[:, cv2.CC_STAT_LEFT] <= (1 - _WHOLE) * width
    ends = boxes[:, cv2.CC_STAT_LEFT] + boxes[:, cv2.CC_STAT_WIDTH] >= _WHOLE * width
    lines = (thickness > _COVERED) & (thickness <= limit) & (starts | ends)
    lines[0] = False
    # What reaches no border may be the foot of a 2; between the two sides of a box that would make three lines.
    many = np.count_nonzero(lines & (lengths >= _LONG * width)) >= _MANY
    lines &= lengths >= _SHORT * width if many else (starts & ends) | (sloped & (lengths >= _NEARLY * width))
    if not lines.any():
        return None
    reach = int(np.ceil(max(1.0, np.median(thickness[lines])))) + 3
    kept, on = morphed(strokes, cv2.MORPH_OPEN, reach, 1) > 0, lines[labels]
    darkness = float(np.quantile(amount[on & thin], 0.9))
    if darkness < _FAINT:
        kept |= amount > (1 + darkness) / 2
    return np.asarray(strokes & (kept | ~on), np.uint8)


def level_runs(mask: Mask, length: int, least: float = 0, gap: int = 1) -> Components | None:
    """Return what runs level for so many pixels, slightly slanted lines too; None where none is `least` pixels long.

    Runs with less than `gap` pixels between them are one.
    """
    runs = morphed(morphed(mask, cv2.MORPH_DILATE, 3, 1), cv2.MORPH_OPEN, 1, length)
    if not cv2.countNonZero(runs):
        return None
    joined = morphed(runs, cv2.MORPH_CLOSE, 1, gap | 1)
    outlines, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return components(joined) if max(cv2.boundingRect(outline)[2] for outline in outlines) >= least else None
