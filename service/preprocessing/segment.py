"""Ink -> the one figure in the picture: which strokes belong together, and which are something else."""

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from service.preprocessing.annotations import without_annotations
from service.preprocessing.binarize import Ink
from service.preprocessing.box import Box
from service.preprocessing.creases import only_folds
from service.preprocessing.frames import without_frames
from service.preprocessing.groups import Group, grouped, member_of, ranked, several, side_by_side
from service.preprocessing.illumination import (
    UNEVEN,
    Contrast,
    Floats,
    Mask,
    components,
    faint_share,
    median,
    morphed,
    totals,
)
from service.preprocessing.ruled_lines import without_lines

_MOST_PIECES = 60
FAINTEST = 0.12
_SMALLEST = 0.04  # of the picture's longer side
_WIDEST = 3.0  # times its height: no digit is wider
_SOLID, _BLOT = 0.55, 0.75  # widest place of the strokes by the figure's longer side: no strokes; nor of a bitmap
_STOUT = 0.36  # of that: beyond bold
_EDGED, _CUT, _BARELY = 0.8, 0.85, 0.6  # of the outline is an edge: surely strokes; cut off strokes; perhaps strokes
_GAP = 0.5  # how much less a gap between strokes counts
OF_A_FOLD = 34  # grey levels: more contrast has ink
_AROUND = 0.12  # of its longer side: the paper around a figure
_WHOLE_STEP = 0.5  # of the ink's darkness: an edge with such a step is a clear one


@dataclass(frozen=True)
class Figure:
    """The figure found: `ink` is float32 [height, width], 0 to 1, cut to its `box` and a pixel around.

    `score` compares readings of one picture: ink times contrast, less where the outline is no edge in the picture.
    `sure` says that no other reading need be tried, `likely` that it is strokes at all, and `several` that there is
    another figure of about the same size; `folds` that it is nothing but folds of the paper.
    """

    ink: Floats
    box: Box
    score: float
    sure: bool
    likely: bool
    several: bool
    folds: bool


def find_figure(
    ink: Ink, contrast: Contrast, rim: Mask, to_beat: float = 0, *, widest: int | None = None, alone: bool = False
) -> Figure | None:
    """Return the figure in `ink`, None if there are no strokes, or its score cannot be above `to_beat`.

    `contrast` is what the ink was made of; `rim` are the pixels at which the paper ends; `widest` is the widest
    stroke, in pixels, that could be seen, None where any could; `alone` says that there is room for one figure only.
    """
    amount, every = np.clip(ink.amount, 0, 1), ink.strokes
    if cv2.mean(amount, every)[0] * cv2.countNonZero(every) * ink.contrast < to_beat:
        return None
    strokes = without_lines(without_frames(every), ink.traces, ink.amount)
    strokes = strokes if alone else without_annotations(strokes)
    found = _, labels, boxes = components(strokes)
    weights, cores, contact = totals(found, strokes, (amount, ink.cores, rim))
    pieces = [i for i in np.argsort(-weights)[: _MOST_PIECES + 1].tolist() if i and cores[i]]
    parts = [Group((i,), Box(*boxes[i].tolist()[:4]), float(weights[i]), int(contact[i])) for i in pieces]
    groups = [reduce(Group.joined, parts)] if alone and parts else ranked(grouped(parts), labels)
    if not groups or groups[0].ink * ink.contrast < to_beat:
        return None
    group, longer = groups[0], groups[0].box.longer
    if longer < _SMALLEST * max(labels.shape) or group.box.width > _WIDEST * group.box.height:
        return None
    member = member_of(group, labels)
    thickest = thickness(member[group.box.slices(1)])
    if thickest > (_BLOT if alone else _SOLID) * longer:
        return None
    part = group.box.slices(3)
    edged = edged_share(member[part], amount[part], contrast.steps()[part], ink.contrast, group.contact)
    if widest is not None and _between_strokes(member, contrast, group.box):
        edged *= _GAP
    slender, even = thickest < _STOUT * longer, not alone or _is_even(amount, member)
    clear = group.ink / weights[1:].sum() > 0.7 if widest is None else thickest < 0.65 * widest
    stout, uneven = 1 if slender else 0.5 if widest is None else 0.1, 1 if even else 0.1
    return Figure(
        _cut(amount, member, group.box),
        group.box,
        group.ink * ink.contrast * edged**8 * stout * uneven * max(group.free, 0.1) ** 3,
        sure=clear and slender and group.apart and even and edged > _EDGED,
        likely=edged > (_BARELY if group.apart else _CUT),
        several=several(groups) or (alone and side_by_side(parts)),
        folds=not alone and ink.contrast < OF_A_FOLD and only_folds(member, rim),
    )


def edged_share(member: Mask, amount: Floats, steps: Floats, full: float, contact: int = 0) -> float:
    """Return the share of the outline that is an edge in the picture: of ink all, of what the light made up less.

    `steps` are those of the picture in grey levels, of which `full` ink has as many; `contact` pixels lie on the rim.
    """
    outline = morphed(member, cv2.MORPH_DILATE, 3) > member
    wanted = _WHOLE_STEP * morphed(amount * member, cv2.MORPH_DILATE, 5)[outline]
    clear = np.minimum(steps[outline] / np.float32(full) / np.maximum(wanted, 1e-3), 1)
    return float(clear.sum() / max(1, clear.size + contact))


def _between_strokes(member: Mask, contrast: Contrast, box: Box) -> bool:
    """Tell whether what is around a figure is like it rather than like its paper: then it is a gap between strokes."""
    rows, columns = box.slices(max(3, round(_AROUND * box.longer)))
    inside, around = member[rows, columns], np.ones_like(member[rows, columns])
    whole = box.moved(-columns.start, -rows.start)
    around[whole.slices(1)] = 0
    if not around.any():
        return False
    pixels, paper = contrast.pixels[rows, columns], contrast.paper[rows, columns]
    ring, level, under = (
        median(levels[where > 0]) for levels, where in ((pixels, around), (pixels, inside), (paper, inside))
    )
    return abs(ring - level) < abs(ring - under)


def _is_even(amount: Floats, member: Mask) -> bool:
    """Tell whether the middle of the strokes is as dark as ink nearly everywhere, as that of a shadow is not."""
    depth = np.asarray(cv2.distanceTransform(member, cv2.DIST_L2, 3), np.float32)
    return faint_share(amount, depth) < UNEVEN


def thickness(member: Mask) -> float:
    """Return the diameter of the largest disc that fits into the strokes, in pixels."""
    padded = cv2.copyMakeBorder(member, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())


def _cut(amount: Floats, member: Mask, box: Box) -> Floats:
    """Return the ink of the members with their soft edges, and a pixel of paper around."""
    part = box.slices(1)
    ink = np.where(morphed(member[part], cv2.MORPH_DILATE, 3) > 0, amount[part], 0)
    ink[ink < FAINTEST] = 0
    return np.asarray(ink, np.float32)
