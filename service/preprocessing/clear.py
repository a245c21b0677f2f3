"""Clear pictures, told first and read the shortest way: one figure on even paper, and nothing else.

Drawings, screenshots, clean scans and bitmaps are mostly so. Whatever leaves a doubt goes to the full set of readings.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.annotations import without_line_through
from service.preprocessing.box import Box
from service.preprocessing.illumination import UNEVEN, Floats, Grey, Histogram, Mask, border, faint_share, halved
from service.preprocessing.page import is_bar, is_polygon

_LONGEST = 256  # pixels: of the picture that is looked at
_FINE = 128  # pixels: of the figure; more are averaged first
_STEP = 60  # grey levels between paper and ink
_EVEN = 0.08  # of that step: so far from the paper are the border and what is on its other side
_RINGING = 0.16  # of that step: so far beyond the paper go the edges of what was enlarged
_TRACE, _STROKE, _FAINTEST = 0.1, 0.3, 0.12  # of the ink's darkness
_STRONGEST = 0.98  # of the ink is no darker
_NEAR = 0.05  # of the figure's longer side: so far from its strokes end its traces
_COVERED, _ALONG = 0.97, 0.42  # of a side of the picture: two that meet are an edge of something; of a bar's outline
_STOUT_AT_BORDER, _STOUTEST, _MOST_SIDES_OF_A_SHADOW = 0.25, 0.48, 3  # of a figure at the border
_WIDE = 0.9  # times its width, a figure that reaches two sides
_MOST_ENDS, _MOST_ENDS_OF_STROKES = 5, 7  # runs of ink along the border; where they cover no corner
_MOST_SPECKS, _SPECK = 10, 0.06  # as long as the figure's outline is a speck's
_WIDEST, _STOUT = 2.5, 0.4  # times its height; of the figure's longer side


class _Light(NamedTuple):
    """The paper's level, the greatest contrast to it, in grey levels, and whether the ink is lighter."""

    paper: int
    strongest: int
    light_ink: bool

    def contrast(self, grey: Grey) -> Grey:
        way = (grey, self.paper) if self.light_ink else (self.paper, grey)
        return np.asarray(cv2.subtract(*way), np.uint8)


def find_clear(grey: Grey) -> Floats | None:
    """Return the ink of the only figure in a clear picture, float32 [height, width], 0 to 1; None of any other."""
    small = halved(grey, _LONGEST)
    even = _light(small)
    for light in [even] if even else _lights_of_cut_out(small):
        ink = _only_figure(grey, small, light)
        if ink is not None:
            return ink
    return None


def _light(grey: Grey) -> _Light | None:
    """Return how a picture is lit that has nothing but its even paper at the border, and ink on one side of that."""
    rim = np.sort(border(grey))
    paper = int(rim[len(rim) // 2])
    low, high, _, _ = cv2.minMaxLoc(grey)
    other, step = sorted((round(high) - paper, paper - round(low)))
    if step < _STEP or max(other, int(rim[-1]) - paper, paper - int(rim[0])) > _EVEN * step:
        return None
    return _Light(paper, step, high - paper == step)


def _lights_of_cut_out(grey: Grey) -> Iterator[_Light]:
    """Yield how a picture may be lit in which ink reaches the border, the likelier one first.

    Paper is the class with more of the picture and of its border, or else the other one. Its level is that of its
    quarter furthest from the ink: where little of it is left, most is the soft edge of strokes.
    """
    histogram = Histogram(grey)
    split, (low, high, _, _) = histogram.split(), cv2.minMaxLoc(grey)
    dark_paper = histogram.share_below(split + 1) + float(np.mean(border(grey) <= split)) > 1
    for light_ink in (dark_paper, not dark_paper):
        paper = histogram.quantile(0.25, 0, split + 1) if light_ink else histogram.quantile(0.75, split + 1)
        step, other = (high - paper, paper - low) if light_ink else (paper - low, high - paper)
        if step >= _STEP and other <= _RINGING * step:
            yield _Light(round(paper), round(step), light_ink)


def _only_figure(grey: Grey, small: Grey, light: _Light) -> Floats | None:
    traces = (light.contrast(small) > _TRACE * light.strongest).view(np.uint8)
    outlines, tree = cv2.findContours(traces, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = np.flatnonzero(tree[0][:, 3] < 0).tolist()
    if len(outer) > 1 + _MOST_SPECKS:
        return None
    outline, *specks = sorted((outlines[index] for index in outer), key=len, reverse=True)
    if specks and len(specks[0]) > _SPECK * len(outline):
        return None
    box = Box(*cv2.boundingRect(outline))
    if not _may_be_figure(outline, box, traces):
        return None
    times = max(grey.shape) // max(small.shape)
    if specks:
        grey = grey.copy()
        for speck in specks:
            grey[_part(Box(*cv2.boundingRect(speck)), times)] = light.paper
    part = light.contrast(halved(grey[_part(box, times)], _FINE))
    cut_out = bool(border(traces).any())
    stoutest = _stoutest_at_border(box, traces) if cut_out else _STOUT
    return _ink(np.pad(part, 1), light, stoutest, cut_out=cut_out)


def _part(box: Box, times: int) -> tuple[slice, slice]:
    """Return the rows and columns of a box and a pixel around it in a picture that is so many times as large."""
    rows, columns = box.slices(1)
    return slice(rows.start * times, rows.stop * times), slice(columns.start * times, columns.stop * times)


def _may_be_figure(outline: npt.NDArray[Any], box: Box, traces: Mask) -> bool:
    """Tell whether an outline is no panel, box, speck or line."""
    if box.width > _WIDEST * box.height or (is_polygon(outline) and not is_bar(outline)):
        return False
    on_border = int(np.count_nonzero(border(traces)))
    return on_border == 0 or _may_be_cut_out(outline, box, traces, on_border)


def _may_be_cut_out(outline: npt.NDArray[Any], box: Box, traces: Mask, on_border: int) -> bool:
    """Tell whether ink at the picture's border is no edge of a scan or a table, and no line that goes across."""
    sides = _sides(traces)
    top, right, bottom, left = (side.mean() for side in sides)
    if min(max(top, bottom), max(left, right)) > _COVERED:
        return False
    most = _MOST_ENDS if _covers_corner(traces) else _MOST_ENDS_OF_STROKES
    if sum(np.count_nonzero(np.diff(side.view(np.int8)) > 0) + int(side[0]) for side in sides) > most:
        return False
    if _spans(box, traces):
        return True
    across = left > 0 and right > 0 and box.height < _WIDE * box.width
    return not across and not (is_bar(outline) and on_border > _ALONG * len(outline))


def _stoutest_at_border(box: Box, traces: Mask) -> float:
    """Return how stout a figure at the picture's border may be: shadows reach over a corner, and often three sides."""
    reached = sum(bool(side.any()) for side in _sides(traces))
    if reached >= _MOST_SIDES_OF_A_SHADOW and not _covers_corner(traces):
        return _STOUTEST
    return _STOUT if _spans(box, traces) else _STOUT_AT_BORDER


def _sides(traces: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    """Return the top, right, bottom and left border of a picture."""
    return traces[0], traces[:, -1], traces[-1], traces[:, 0]


def _covers_corner(traces: Mask) -> bool:
    return bool(traces[[0, -1]][:, [0, -1]].any())


def _spans(box: Box, traces: Mask) -> bool:
    """Tell whether the figure reaches all four sides of the picture."""
    return (box.height, box.width) == traces.shape


def _ink(contrast: Grey, light: _Light, stoutest: float, *, cut_out: bool) -> Floats | None:
    """Return contrast as ink, if all of it is slender strokes."""
    # The median contrast of the dark ink: of what has half of the strongest.
    levels = Histogram(contrast)
    strongest = levels.quantile(_STRONGEST, int(_TRACE * light.strongest) + 1)
    full = levels.quantile(0.5, int(strongest) // 2 + 1)
    strokes, traces = ((contrast > share * full).view(np.uint8) for share in (_STROKE, _FAINTEST))
    box, outer = (Box(*cv2.boundingRect(mask)) for mask in (strokes, traces))
    if max(outer.width - box.width, outer.height - box.height) > max(2, _NEAR * box.longer):
        return None
    depth = np.asarray(cv2.distanceTransform(traces, cv2.DIST_L2, 3), np.float32)
    if 2 * depth.max() > max(stoutest * box.longer, 4):
        return None
    if cut_out and faint_share(contrast, depth, full) > UNEVEN:
        return None
    if without_line_through(strokes) is not strokes:
        return None
    ink = np.minimum(contrast * np.float32(1 / full), np.float32(1))
    return np.asarray(ink * traces, np.float32)
