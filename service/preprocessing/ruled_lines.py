"""Strokes -> strokes without the lines that were printed on the paper."""

import cv2
import numpy as np

from service.preprocessing.illumination import Mask, components

_RUN = 0.1  # of the picture: so long runs a line straight on; steeper than 1:17 it has left its row before that
_THICKEST = 0.03  # of the picture
_WHOLE, _LONG, _SHORT = 0.97, 0.5, 0.15  # of the picture: from border to border; one of many; its end at a border
_MANY = 3


def without_lines(strokes: Mask, traces: Mask) -> Mask:
    """Return `strokes` without ruled and squared lines; where a stroke crosses one it stays whole.

    `traces` holds the lines even where they are fainter than strokes. A line is thin and straight and goes from border
    to border, or is one of several. A picture of one line only, and nothing else, is left as it is: that may be a 1.
    """
    rows, row_count = _without_rows(strokes, traces)
    columns, column_count = _without_rows(_turned(rows), _turned(traces))
    cleaned = _turned(columns)
    if row_count + column_count < _MANY and 12 * cv2.countNonZero(cleaned) < cv2.countNonZero(strokes):
        return strokes
    return cleaned


def _without_rows(strokes: Mask, traces: Mask) -> tuple[Mask, int]:
    """Return the strokes without horizontal lines, and how many there were."""
    height, width = strokes.shape
    thicker = cv2.dilate(traces, np.ones((3, 1), np.uint8))  # so that a slightly slanted line holds long runs
    runs = cv2.morphologyEx(thicker, cv2.MORPH_OPEN, np.ones((1, max(16, int(_RUN * width))), np.uint8))
    if not cv2.countNonZero(runs):
        return strokes, 0
    count, labels, boxes = components(np.asarray(runs, np.uint8))
    left, lengths = boxes[:, cv2.CC_STAT_LEFT], np.maximum(boxes[:, cv2.CC_STAT_WIDTH], 1)
    limit = int(_THICKEST * max(height, width)) + 3
    # A digit's stroke that lies along the line would make it thick: only what is thin is measured.
    thick = cv2.morphologyEx(traces, cv2.MORPH_OPEN, np.ones((limit, limit), np.uint8))
    thickness = np.maximum(np.bincount(labels[(traces > 0) & (thick == 0)], minlength=count) / lengths, 1)
    thin = thickness <= limit
    thin[0] = False
    starts, ends = left <= (1 - _WHOLE) * width, left + lengths >= _WHOLE * width
    whole = thin & starts & ends
    # What reaches no border may be the foot of a 2; between the two sides of a box that would make three lines.
    many = np.count_nonzero(thin & (starts | ends) & (lengths >= _LONG * width)) >= _MANY
    if many:
        whole |= thin & ((lengths >= _LONG * width) | ((starts | ends) & (lengths >= _SHORT * width)))
    if not whole.any():
        return strokes, 0
    reach = int(np.ceil(np.median(thickness[whole]))) + 3
    crossing = cv2.morphologyEx(strokes, cv2.MORPH_OPEN, np.ones((reach, 1), np.uint8))
    return np.where(whole[labels], crossing, strokes).astype(np.uint8), int(np.count_nonzero(whole))


def _turned(mask: Mask) -> Mask:
    return np.ascontiguousarray(mask.T)
