"""Surroundings of the sheet: borders left by software or a scanner, the table under it."""

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.pictures import noise
from benchmarks.pictures.scene import Box, Colour, Picture, Random, blank, colourful, painted, step
from benchmarks.pictures.strokes import SHIFT, subpixels

Corners = npt.NDArray[np.float64]


@step
def frame(
    picture: Picture, _box: Box, rng: Random, colour: Colour, thick: tuple[float, float], sides: str = "tblr"
) -> Picture:
    """A border `thick` (of the frame's shorter side) wide on the `sides` top, bottom, left, right."""
    height, width = picture.shape[:2]
    wide = {side: round(max(1, rng.uniform(*thick) * min(height, width))) for side in sides}
    mask = np.ones((height, width), np.float32)
    rows = slice(wide.get("t", 0), height - wide.get("b", 0))
    mask[rows, wide.get("l", 0) : width - wide.get("r", 0)] = 0
    return painted(picture, mask, colour)


@step
def table(
    picture: Picture, _box: Box, rng: Random, colour: Colour, inset: tuple[float, float], *, one_side: bool = False
) -> Picture:
    """The sheet lies askew on a table, visible for `inset` of the shorter side around it or on `one_side` only."""
    height, width = picture.shape[:2]
    sheet = np.zeros((height, width), np.float32)
    outline = _askew(height, width, inset, one_side, rng)
    cv2.fillPoly(sheet, [subpixels(outline)], 1.0, cv2.LINE_AA, SHIFT)
    around = _grained((height, width), colour, rng)
    cast = cv2.GaussianBlur(sheet, (0, 0), 0.01 * width + 1)  # the shadow of the sheet on the table
    around = around * (1 - 0.5 * cast)[..., None]
    if around.shape[2] > 1:
        picture = colourful(picture)
    return around + sheet[..., None] * (picture - around)


def _askew(height: int, width: int, inset: tuple[float, float], one_side: bool, rng: Random) -> Corners:
    """Return the corners of a sheet within the frame, or visible only at its left or right edge."""
    inward = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    offsets = rng.uniform(*inset, (4, 2)) * min(height, width)
    if one_side:
        offsets[:, 1] = -height
        offsets[[1, 2] if rng.random() < 0.5 else [0, 3], 0] = -width
    return np.asarray(np.array([(0, 0), (width, 0), (width, height), (0, height)]) + offsets * inward)


def _grained(shape: tuple[int, int], colour: Colour, rng: Random) -> Picture:
    """Return a surface of wood."""
    fibres = cv2.resize(noise.cloud(rng, (shape[0], 8), 60), shape[::-1])
    return blank(shape, colour) * (1 + 0.15 * (noise.cloud(rng, shape, 4) + fibres))[..., None]
