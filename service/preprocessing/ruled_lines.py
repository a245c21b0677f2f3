"""Strokes -> strokes without the lines that were printed on the paper."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Components, Floats, Mask, components

_RUN, _GAP = 0.1, 0.06  # of the picture: so long runs a line straight on; between its pieces
_SLOPES = np.linspace(-0.3, 0.3, 13)  # of the lines; one that is 1:17 off still holds long runs
_CLEARLY = 1.4  # times the energy of level rows has a slope at which there are lines
_THICKEST = 0.03, 0.045  # of the picture; where nothing so thin is found, the lines near a large digit
_WHOLE, _NEARLY = 0.97, 0.8  # of the picture: from border to border; in a picture taken askew, one end may be lost
_LONG, _SHORT = 0.5, 0.15  # of the picture: one of many; its end at a border
_MANY = 3
_COVERED = 0.5  # of a line's length at least has thin traces
_FAINT = 0.7  # of the ink's darkness: what is clearly darker than such a line is ink on it


class _Lines(NamedTuple):
    """Level lines: the pixels on them, those of them that are thin, their median thickness, and how many there are."""

    on: npt.NDArray[np.bool_]
    thin: npt.NDArray[np.bool_]
    thickness: float
    number: int


def without_lines(strokes: Mask, traces: Mask, amount: Floats) -> Mask:
    """Return `strokes` without ruled and squared lines; where a stroke crosses one it stays whole.

    `traces` holds the lines even where they are fainter than strokes, and `amount` how much ink there is, which tells
    strokes along a faint line. A line is thin and straight and goes from border to border, or is one of several; it may
    slope by 1:3. A picture of one line only, and nothing else, is left as it is: that may be a 1.
    """
    rows, row_count = _without_rows(strokes, traces, amount)
    columns, column_count = _without_rows(rows.T, traces.T, amount.T)
    if row_count + column_count == 0:
        return strokes
    cleaned = np.ascontiguousarray(columns.T)
    if row_count + column_count < _MANY and 12 * cv2.countNonZero(cleaned) < cv2.countNonZero(strokes):
        return strokes
    return cleaned


def _without_rows(strokes: Mask, traces: Mask, amount: Floats) -> tuple[Mask, int]:
    """Return the strokes without the lines that are nearer to level than to upright, and how many there were."""
    traces = np.ascontiguousarray(traces)
    if not _may_hold_lines(traces):
        return strokes, 0
    slope, strokes = _slope(traces), np.ascontiguousarray(strokes)
    height, width = strokes.shape
    drop = slope * np.arange(width, dtype=np.float64)
    if not slope:
        lines = _level_lines(traces, drop, height)
        return (strokes, 0) if lines is None else (_without(lines, strokes, amount), lines.number)
    size = width, height + int(np.ptp(drop)) + 1
    shear = np.array([[1, 0, 0], [-slope, 1, drop.max()]], np.float64)
    lines = _level_lines(_sheared(traces, shear, size), drop - drop.max(), height)
    if lines is None:
        return strokes, 0
    level = cv2.warpAffine(np.ascontiguousarray(amount), shear, size, flags=cv2.INTER_NEAREST)
    cleaned = _without(lines, _sheared(strokes, shear, size), np.asarray(level, np.float32))
    return _sheared(cleaned, shear, (width, height), cv2.WARP_INVERSE_MAP), lines.number


def _may_hold_lines(traces: Mask) -> bool:
    """Tell whether enough columns in a row have traces for a line of any slope: in most pictures they have not."""
    columns = cv2.reduce(traces, 0, cv2.REDUCE_MAX)
    width = columns.size
    runs = cv2.morphologyEx(columns, cv2.MORPH_OPEN, np.ones((1, _run(width)), np.uint8))
    joined = np.asarray(cv2.morphologyEx(runs, cv2.MORPH_CLOSE, np.ones((1, int(_GAP * width) | 1), np.uint8)))
    return max(map(len, joined.tobytes().split(b"\0"))) >= _LONG * width


def _run(width: int) -> int:
    """Return how many pixels a line runs straight on at least in a picture so wide."""
    return max(16, int(_RUN * width))


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


def _level_lines(traces: Mask, drop: npt.NDArray[np.float64], height: int) -> _Lines | None:
    """Return the level lines in a picture, `height` pixels high, each column of which was moved up by its `drop`."""
    width = len(drop)
    beside = int((1 - _WHOLE + _GAP / 2) * width) + 2  # so near to a side goes on what ends at the border
    if not np.ptp(drop) and not (traces[:, :beside].any() or traces[:, -beside:].any()):
        return None
    found = level_runs(traces, _run(width), _LONG * width, int(_GAP * width))
    if found is None:
        return None
    count, labels, boxes = found
    lengths = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], 1)
    starts, ends = _at_border(boxes, drop, height)
    for share in _THICKEST:
        limit = int(share * max(height, width)) + 3
        # A digit's stroke that lies along the line would make it thick: only what is thin is measured.
        thin = (traces > 0) & (cv2.morphologyEx(traces, cv2.MORPH_OPEN, np.ones((limit, limit), np.uint8)) == 0)
        thickness = np.bincount(labels[thin], minlength=count) / lengths
        lines = (thickness > _COVERED) & (thickness <= limit)
        lines[0] = False
        long = lines & (lengths >= _LONG * width)
        whole = long & starts & ends
        if np.ptp(drop):
            whole |= lines & (starts | ends) & (lengths >= _NEARLY * width)
        # What reaches no border may be the foot of a 2; between the two sides of a box that would make three lines.
        if np.count_nonzero(long & (starts | ends)) >= _MANY:
            whole |= long | (lines & (starts | ends) & (lengths >= _SHORT * width))
        if whole.any():
            usual = max(1.0, float(np.median(thickness[whole])))
            return _Lines(whole[labels], thin, usual, int(np.count_nonzero(whole)))
    return None


def _without(lines: _Lines, strokes: Mask, amount: Floats) -> Mask:
    """Return the strokes without the lines, but with what crosses them or is clearly darker than they are."""
    reach = int(np.ceil(lines.thickness)) + 3
    kept = cv2.morphologyEx(strokes, cv2.MORPH_OPEN, np.ones((reach, 1), np.uint8)) > 0
    darkness = float(np.quantile(amount[lines.on & lines.thin], 0.9))
    if darkness < _FAINT:
        kept |= amount > (1 + darkness) / 2
    return strokes & (kept | ~lines.on).astype(np.uint8)


def level_runs(mask: Mask, length: int, least: float, gap: int = 1) -> Components | None:
    """Return what runs level for so many pixels, slightly slanted lines too; None where none is `least` pixels long.

    Runs with less than `gap` pixels between them are one.
    """
    thicker = cv2.dilate(mask, np.ones((3, 1), np.uint8))
    runs = cv2.morphologyEx(thicker, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    if not cv2.countNonZero(runs):
        return None
    joined = np.asarray(cv2.morphologyEx(runs, cv2.MORPH_CLOSE, np.ones((1, gap | 1), np.uint8)), np.uint8)
    outlines, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return components(joined) if max(cv2.boundingRect(outline)[2] for outline in outlines) >= least else None


def _at_border(
    boxes: npt.NDArray[np.int32], drop: npt.NDArray[np.float64], height: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell of which runs the left end and of which the right end lies at the picture's border."""
    width = len(drop)
    left, right = boxes[:, cv2.CC_STAT_LEFT], boxes[:, cv2.CC_STAT_LEFT] + boxes[:, cv2.CC_STAT_WIDTH]
    row = boxes[:, cv2.CC_STAT_TOP] + boxes[:, cv2.CC_STAT_HEIGHT] / 2
    room = (1 - _WHOLE) * max(width, height)
    starts, ends = left <= (1 - _WHOLE) * width, right >= _WHOLE * width
    if not np.ptp(drop):
        return starts, ends
    at_left, at_right = (row + drop[np.clip(at, 0, width - 1)] for at in (left, right))
    return (
        starts | (at_left < room) | (at_left > height - room),
        ends | (at_right < room) | (at_right > height - room),
    )
