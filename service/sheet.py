"""The sheet of paper in a picture of more than that: a page on a table, a scan with dark margins, a box of a form."""

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.light import Grey, Histogram, Mask, border, median

_DISTINCT = 30  # grey levels between a sheet and what it lies on
_WHOLE = 0.9  # of the picture's border is another ground
_GENTLE = 2.5  # grey levels between neighbours on the same ground
_NEARBY = 0.15  # of the sheet: how far away levels count as nearby
_STOUT, _FULL = (
    2.2,
    0.75,
)  # times its width: what is longer is a bar, as a 1 may be; of its area, what is left beside what is on it
_CORNERS = 6  # at most: the picture's border may cut off some
_NOTCHED = 0.85  # of its hull, a panel whose edge something crosses


class Sheet(NamedTuple):
    """A sheet of paper: its pixels, and whether it lies whole on another ground, unlike the light side of a shadow."""

    inside: Mask
    whole: bool


def find_sheet(grey: Grey) -> Sheet | None:
    """Return the inside of a sheet that lies before another ground, or of a box drawn around; None where there is none.

    It is one region with four corners: of the lighter or the darker pixels, alone in its class, or all that the
    ground at the picture's border does not reach without a step.
    """
    split = Histogram(grey).split()
    for region, alone in ((~_ground(grey), False), (grey > split, True), (grey <= split, True)):
        opened = cv2.morphologyEx(region.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        inside = _four_corners(np.asarray(opened, np.uint8), alone=alone)
        if inside is not None:
            outside = cv2.dilate(inside, np.ones((5, 5), np.uint8)) == 0
            between = abs(median(grey[inside > 0]) - median(grey[outside])) if outside.any() else 0
            return Sheet(inside, between > _DISTINCT and np.mean(border(outside.view(np.uint8))) > _WHOLE)
    return None


def _ground(grey: Grey) -> npt.NDArray[np.bool_]:
    """Return what is reached from the border without a step, however light and dark it gets on the way."""
    smooth = np.asarray(cv2.GaussianBlur(grey, (0, 0), 1), np.uint8)
    height, width = smooth.shape
    roughness = float(cv2.absdiff(smooth[:, 1:], smooth[:, :-1]).mean())
    reach = _GENTLE + 2 * roughness
    reached = np.zeros((height + 2, width + 2), np.uint8)
    for row in (0, height // 2, height - 1):
        for column in (0, width // 2, width - 1):
            if (row, column) != (height // 2, width // 2) and not reached[row + 1, column + 1]:
                cv2.floodFill(smooth, reached, (column, row), 0, reach, reach, cv2.FLOODFILL_MASK_ONLY | 4)
    return reached[1:-1, 1:-1] > 0


def _four_corners(region: Mask, *, alone: bool) -> Mask | None:
    outlines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    if not 0.12 < cv2.contourArea(outline) / region.size < 0.97 or _is_bar(outline) or not _is_polygon(outline):
        return None
    inside = np.zeros_like(region)
    cv2.drawContours(inside, [outline], -1, 1, -1)
    return _without_edge(region, inside, alone=alone)


def _is_polygon(outline: npt.NDArray[Any], least: float = 0.95) -> bool:
    """Tell whether an outline has straight sides and few corners, and fills at least so much of its hull."""
    hull = cv2.convexHull(outline)
    area = cv2.contourArea(hull)
    corners = cv2.approxPolyDP(hull, 0.03 * cv2.arcLength(hull, True), True)
    return (
        cv2.contourArea(outline) >= least * area
        and len(corners) <= _CORNERS
        and cv2.contourArea(corners) >= 0.93 * area
    )


def _is_bar(outline: npt.NDArray[Any]) -> bool:
    across, down = cv2.minAreaRect(outline)[1]
    return max(across, down) > _STOUT * min(across, down)


def is_panel(member: Mask) -> bool:
    """Tell whether what is found is an area with straight sides, perhaps with something on it, and no stroke."""
    outlines, _ = cv2.findContours(member, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    if _is_bar(outline) or cv2.countNonZero(member) < _FULL * cv2.contourArea(outline):
        return False
    return _is_polygon(outline, _NOTCHED)


def _without_edge(region: Mask, inside: Mask, *, alone: bool) -> Mask | None:
    """Shrink `inside` past its own edge, if it is mostly paper and, where that is asked, has no like around it."""
    if inside.all() or region[inside > 0].mean() < 0.55 or (alone and region[inside == 0].mean() > 0.15):
        return None
    edge = int(0.03 * max(inside.shape)) | 1
    inner = cv2.erode(inside, np.ones((edge, edge), np.uint8))
    return None if inner.mean() < 0.05 else np.asarray(inner, np.uint8)


def filled_up(grey: Grey, inside: Mask) -> Grey:
    """Return a picture in which the paper inside goes on outside, at its level nearby."""
    near = int(_NEARBY * max(grey.shape)) | 1
    kept = inside.astype(np.float32)
    count = cv2.blur(kept, (near, near))
    level = np.where(
        count > 1e-4, cv2.blur(grey * kept, (near, near)) / np.maximum(count, 1e-4), median(grey[inside > 0])
    )
    return np.where(inside > 0, grey, level).astype(np.uint8)
