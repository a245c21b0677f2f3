"""The sheet of paper in a picture of more than that: a page on a table, a scan with dark margins, a box of a form."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats, Grey, Mask, border, median, morphed, working_copy

_DISTINCT, _MOSTLY = 25, 0.7  # grey levels between a sheet and what it lies on; of its edge, so clear
_SOFT, _BESIDE = 17, 31  # pixels: as wide may a sheet's edge be; within so many is the ground beside it
_WHOLE = 0.9  # of the picture's border is another ground
_GENTLE = 2.5  # grey levels between neighbours on the same ground
_CLEAR = 1.7, 3.4, 6.8  # times the usual step: more is an edge of a sheet in shadow; clearer than that of a shadow
_ALONG = 0.04  # of the border: a part of the ground; a sheet reaches it with a corner at most
_LINE, _EDGE = 11, 4  # pixels: as wide may the edge of a shadow be seen; so wide is that of a sheet
_LEAST, _PAPER = 0.12, 0.55  # of the picture, the smallest sheet; of it, what is paper at least
_STOUT = 3.0  # times its width: what is longer is a bar, as a 1 may be
_NEARBY = 0.15  # of the sheet: how far away levels count as nearby
_FULL = 0.75  # of a panel's area is left beside what is on it
_CORNERS = 6  # at most: the picture's border may cut off some


def find_sheet(grey: Grey) -> Mask | None:
    """Return the inside of a sheet that lies whole on another ground, None where there is none.

    It is told by the step at its edge, so a shadow may fall over both, and the ground in the light be as bright as the
    sheet in the shadow.
    """
    steps = morphed(np.asarray(cv2.GaussianBlur(grey, (0, 0), 1), np.uint8), cv2.MORPH_GRADIENT, 3)
    usual = median(steps)
    for level in sorted({int(_GENTLE + times * usual) for times in _CLEAR}):
        calm = morphed((steps <= level).view(np.uint8), cv2.MORPH_OPEN, 3)
        for region, parts in ((_enclosed(calm), False), (calm, True)):
            inside = _four_corners(region, parts=parts)
            if inside is not None and _is_whole(grey, inside):
                return inside
    return None


def _enclosed(calm: Mask) -> Mask:
    """Return what is left without the parts of `calm` that lie along the picture's border, and the lines between them.

    A shadow's edge across the sheet goes on over the ground as such a line.
    """
    count, labels = cv2.connectedComponents(calm, connectivity=4)
    rim = border(labels)
    ground = np.bincount(rim, minlength=count) > _ALONG * rim.size
    ground[0] = False
    within = (~ground).view(np.uint8).take(np.asarray(labels))
    return _dilated(morphed(within, cv2.MORPH_ERODE, _LINE), _LINE - _EDGE)


def _is_whole(grey: Grey, inside: Mask) -> bool:
    """Tell whether a sheet lies within the picture, and differs from the ground beside it nearly all around.

    What a line parts from the rest of a sheet does not, though a shadow may make the one half darker.
    """
    outside = 1 - _dilated(inside, _SOFT)
    differs = abs(median(grey[inside > 0]) - median(grey[outside > 0])) > _DISTINCT
    if not differs or np.mean(border(_dilated(inside, 5)) == 0) <= _WHOLE:
        return False
    edge = (_dilated(inside, 3) > inside) & (_dilated(outside, _BESIDE) > 0)
    step = np.abs(_nearby(grey, inside, _BESIDE) - _nearby(grey, outside, _BESIDE))[edge]
    return step.size > 0 and float(np.mean(step > _DISTINCT)) > _MOSTLY


def _dilated(region: Mask, side: int) -> Mask:
    return morphed(region, cv2.MORPH_DILATE, side)


def _four_corners(region: Mask, *, parts: bool) -> Mask | None:
    """Return the inside of the region's largest outline, or of the largest of its `parts` and holes that will do."""
    if cv2.countNonZero(region) < _LEAST * _PAPER * region.size:
        return None
    mode = cv2.RETR_LIST if parts else cv2.RETR_EXTERNAL
    outlines, _ = cv2.findContours(region, mode, cv2.CHAIN_APPROX_NONE)
    long = [outline for outline in outlines if len(outline) > np.sqrt(region.size)]
    for outline in sorted(long, key=cv2.contourArea, reverse=True)[: None if parts else 1]:
        share = cv2.contourArea(outline) / region.size
        if _LEAST < share < 0.97 and is_polygon(outline) and not is_bar(outline):
            inside = np.zeros_like(region)
            cv2.drawContours(inside, [outline], -1, 1, -1)
            return morphed(inside, cv2.MORPH_ERODE, int(0.03 * max(inside.shape)) | 1)
    return None


def is_polygon(outline: npt.NDArray[Any]) -> bool:
    """Tell whether an outline has straight sides and few corners, and no notch."""
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    if cv2.contourArea(outline) < 0.95 * area:
        return False
    corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)
    return cv2.contourArea(corners) >= 0.93 * area and len(corners) <= _CORNERS


def is_bar(outline: npt.NDArray[Any]) -> bool:
    across, down = cv2.minAreaRect(outline)[1]
    return max(across, down) > _STOUT * min(across, down)


def is_panel(member: Mask) -> bool:
    """Tell whether what is found is an area with straight sides, perhaps with something on it, and no stroke."""
    outlines, _ = cv2.findContours(member, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    _, _, width, height = cv2.boundingRect(outline)
    if (is_bar(outline) and height > width) or cv2.countNonZero(member) < _FULL * cv2.contourArea(outline):
        return False
    return is_polygon(outline)


def copy_of_sheet(grey: Grey, inside: Mask) -> tuple[Grey, Mask]:
    """Return a working copy of the part of a picture in which the sheet lies, without what is outside, and its rim."""
    box, sheet = bounds_of(inside, grey)
    return without_ground(working_copy(grey[box.slices(0)]), sheet)


def rim_of(grey: Grey) -> Mask:
    """Return the pixels along a picture's border, uint8 [height, width]."""
    rim = np.ones(grey.shape, np.uint8)
    rim[1:-1, 1:-1] = 0
    return rim


def bounds_of(sheet: Mask, grey: Grey) -> tuple[Box, Mask]:
    """Return where in a picture a sheet lies that was found in a copy of it, and the part of its mask there."""
    box = Box(*cv2.boundingRect(sheet))
    across, down = (large / small for large, small in zip(grey.shape[::-1], sheet.shape[::-1], strict=True))
    left, top = round(box.left * across), round(box.top * down)
    bounds = Box(left, top, round(box.right * across) - left, round(box.bottom * down) - top)
    return bounds, sheet[box.slices(0)]


def without_ground(grey: Grey, sheet: Mask) -> tuple[Grey, Mask]:
    """Return a picture in which the paper goes on outside the sheet, at its level nearby, and the sheet's rim."""
    inside = np.asarray(cv2.resize(sheet, grey.shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    level = _nearby(grey, inside, int(_NEARBY * max(grey.shape)) | 1)
    return np.where(inside > 0, grey, level).astype(np.uint8), rim_of(grey) | _dilated(1 - inside, 3)


def _nearby(grey: Grey, part: Mask, side: int) -> Floats:
    """Return the mean level of the part of a picture that lies within a square around each pixel, or its median."""
    count = cv2.blur(part.astype(np.float32), (side, side))
    mean = cv2.blur(grey * part.astype(np.float32), (side, side)) / np.maximum(count, 1e-4)
    return np.asarray(np.where(count > 1e-4, mean, median(grey[part > 0])), np.float32)
