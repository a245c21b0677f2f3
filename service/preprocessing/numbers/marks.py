"""Removes what is drawn around a number: boxes, combs of cells, ruled lines, underlines, rings."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.box import Box
from service.preprocessing.frames import turns, without_frames
from service.preprocessing.illumination import Floats, Mask, components, morphed
from service.preprocessing.ruled_lines import level_runs, without_lines

_LEAST_BOX = 0.06  # of the picture's longer side
_MOST_BOXES = 40
_HOLLOW = 0.5  # of its bounds, the ink of a box
_DEPTH, _ALONG = 0.08, 0.8  # of a box's shorter side: how deep its sides are looked for; of a side that is inked
_ROOM = 6  # pixels around a box that is looked at
_LONG, _THIN = 1.6, 0.12  # times the height of the writing: no stroke of a digit is so long, straight and thin
_WALL, _THICK = 0.84, 0.14  # of a comb's height: the length of its walls, and their width at most
_COMB = 1.3  # times its height: a wider box may have several cells
_SLENDER, _HELD = 0.3, 0.3  # of its bounds, the ink of a ring; of its height, that of what it holds
_RIM, _BARE = 0.2, 0.02  # of its height, how deep a ring goes; of its ink, how much may lie deeper


def without_marks(strokes: Mask, traces: Mask, amount: Floats) -> Mask:
    """Return `strokes` without boxes, lines and rings; strokes that cross a line stay whole.

    `traces` shows faint lines, and `amount` which strokes along them are darker.
    """
    return _without_rings(_without_long_lines(without_lines(_without_boxes(strokes), traces, amount)))


def writing_height(heights: npt.NDArray[np.int32], ink: npt.NDArray[Any]) -> int:
    """Return the height for which half of the ink is in pieces that are no higher."""
    order = np.argsort(heights)
    return int(heights[order][np.searchsorted(ink[order].cumsum(), 0.5 * ink.sum())])


def _without_boxes(strokes: Mask) -> Mask:
    _, _, found = components(strokes)
    least = _LEAST_BOX * max(strokes.shape)
    boxes = [(Box(*box), area) for *box, area in found[1:].tolist()]
    hollow = [box for box, area in boxes if min(box.width, box.height) >= least and area < _HOLLOW * box.area]
    cleaned = strokes.copy()
    for box in sorted(hollow, key=lambda box: -box.area)[:_MOST_BOXES]:
        if not _has_corner(strokes[box.slices(0)]):
            continue
        part = cleaned[box.slices(_ROOM)]
        emptied = without_frames(part, least)
        if emptied is not part and box.width > _COMB * box.height:
            emptied = _without_walls(emptied, box.height)
        cleaned[box.slices(_ROOM)] = emptied
    return cleaned


def _has_corner(box: Mask) -> bool:
    """Whether two adjacent sides of a box are inked throughout."""
    depth = max(3, round(_DEPTH * min(box.shape)))
    left, top, right, bottom = (turned[:, :depth].any(axis=1).mean() > _ALONG for turned in turns(box))
    return bool((left or right) and (top or bottom))


def _without_walls(strokes: Mask, height: int) -> Mask:
    """Return the content of a comb of cells, `height` pixels high, without the walls."""
    found = level_runs(strokes.T, round(_WALL * height))
    if found is None:
        return strokes
    _, labels, boxes = found
    thickness = boxes[:, cv2.CC_STAT_HEIGHT]
    walls = thickness <= _THICK * height
    walls[0] = False
    crossing = morphed(strokes, cv2.MORPH_OPEN, 1, int(thickness[1:].max()) + 2)
    return np.where(walls[labels.T], crossing, strokes).astype(np.uint8)


def _without_long_lines(strokes: Mask) -> Mask:
    """Return the strokes without straight lines longer than any stroke of a digit, such as underlines."""
    count, _, boxes = components(strokes)
    heights, areas = boxes[1:, cv2.CC_STAT_HEIGHT], boxes[1:, cv2.CC_STAT_AREA]
    if count == 1:
        return strokes
    height = writing_height(heights, areas)
    length = max(12, round(_LONG * height))
    if length >= strokes.shape[1]:
        return strokes
    found = level_runs(strokes, length)
    if found is None:
        return strokes
    count, labels, boxes = found
    lengths = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], 1)
    thickness = np.bincount(labels[strokes > 0], minlength=count) / lengths
    thin = thickness <= max(3.0, _THIN * height)
    thin[0] = False
    if not thin.any():
        return strokes
    reach = int(np.ceil(thickness[thin].max())) + 2
    crossing = morphed(strokes, cv2.MORPH_OPEN, reach, 1)
    return np.where(thin[labels], crossing, strokes).astype(np.uint8)


def _without_rings(strokes: Mask) -> Mask:
    """Return the strokes without rings around two or more others."""
    _, labels, boxes = components(strokes)
    pieces = [Box(*map(int, box[:4])) for box in boxes]
    rings = [
        label
        for label, box in enumerate(pieces)
        if label
        and boxes[label][4] < _SLENDER * box.area
        and sum(other.height > _HELD * box.height and box.around(other) == box for other in pieces[1:]) > 2
        and _is_bare((labels[box.slices(0)] == label).astype(np.uint8))
    ]
    return np.where(np.isin(labels, rings), 0, strokes).astype(np.uint8) if rings else strokes


def _is_bare(ring: Mask) -> bool:
    """Whether all of a ring's ink lies along its outline: no digit touches it."""
    hull = cv2.fillConvexPoly(np.zeros_like(ring), cv2.convexHull(cv2.findNonZero(ring)), 1)
    depth = cv2.distanceTransform(np.pad(hull, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    return bool((depth[ring > 0] > _RIM * ring.shape[0]).mean() < _BARE)
