"""Ink -> the one figure in the picture: which strokes belong together, and which are something else."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.errors import NoDigit, SeveralDigits
from service.ink import Ink
from service.light import Floats, Mask
from service.ruling import without_lines

Labels = npt.NDArray[np.int32]  # [height, width], 0 = paper

_MOST_PIECES = 60
_CROWD, _CROWD_SHARE = 30, 0.25  # more pieces than this, and so little of the ink in one figure: noise
_FAINTEST = 0.12
_SMALLEST = 0.04  # of the picture's longer side
_SURE_SIZE = 0.07
_WIDEST = 3.0  # times its height: no digit is wider
_SOLID, _STOUT = 0.55, 0.36  # widest place of the strokes by the figure's longer side: no strokes; beyond bold
_FREE = 0.85  # of its longer side: so little of a figure lies along the border

_UNREADABLE = "Nothing in the picture looks like strokes of a digit: send one digit on a plain background."
_SEVERAL = "The picture shows several figures: send one digit at a time."


class Box(NamedTuple):
    """A rectangle, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def longer(self) -> int:
        """The longer side."""
        return max(self.width, self.height)

    @property
    def area(self) -> int:
        """Width times height."""
        return self.width * self.height

    def common_area(self, other: "Box") -> int:
        """Return the area that both cover."""
        across, down = self.gaps(other)
        return max(-across, 0) * max(-down, 0)

    def around(self, other: "Box") -> "Box":
        """Return the smallest rectangle that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        right = max(self.left + self.width, other.left + other.width)
        bottom = max(self.top + self.height, other.top + other.height)
        return Box(left, top, right - left, bottom - top)

    def gaps(self, other: "Box") -> tuple[int, int]:
        """Return the distance to another across and down; negative is by how much they overlap."""
        across = max(self.left, other.left) - min(self.left + self.width, other.left + other.width)
        down = max(self.top, other.top) - min(self.top + self.height, other.top + other.height)
        return across, down


@dataclass(frozen=True)
class _Group:
    """Strokes that lie together: the labels of their pieces, their bounds, their ink, their pixels on the border."""

    pieces: tuple[int, ...]
    box: Box
    ink: float
    contact: int

    @property
    def free(self) -> float:
        """The share of the longer side that does not lie along the border."""
        return max(0.0, 1 - self.contact / self.box.longer)

    def joined(self, other: "_Group") -> "_Group":
        box = self.box.around(other.box)
        return _Group(self.pieces + other.pieces, box, self.ink + other.ink, self.contact + other.contact)


@dataclass(frozen=True)
class Figure:
    """The figure found: `ink` is float32 [height, width], 0 to 1, cut to its `box`, with nothing else in it.

    `weight` compares readings of one picture: ink times contrast, 0 where the strokes are no strokes.
    `sure` says that no other reading need be tried.
    """

    ink: Floats
    box: Box
    weight: float
    sure: bool


def find_figure(ink: Ink, *, widest: int | None = None) -> Figure:
    """Return the figure in `ink`.

    `widest` is the widest stroke, in pixels, that could be seen; None where any could.

    Raises:
        NoDigit: there are no strokes, or too many.
        SeveralDigits: there is more than one figure of about the same size.
    """
    count, found, boxes, _ = cv2.connectedComponentsWithStats(without_lines(ink.strokes, ink.traces))
    labels = np.asarray(found, np.int32)
    amount = np.clip(ink.amount, 0, 1)
    weights = np.bincount(labels.ravel(), amount.ravel(), count)
    cores = np.bincount(labels.ravel(), ink.cores.ravel(), count)
    contact = np.bincount(_border(labels), minlength=count)
    pieces = [int(i) for i in np.argsort(-weights)[: _MOST_PIECES + 1] if i and cores[i]]
    groups = _grouped([_Group((i,), Box(*map(int, boxes[i][:4])), float(weights[i]), int(contact[i])) for i in pieces])
    groups = sorted(groups, key=_rank, reverse=True)
    share = groups[0].ink / weights[1:].sum() if groups else 0.0
    _check(groups, labels, crowded=share < _CROWD_SHARE and count > _CROWD)
    return _figure(groups[0], amount, labels, share, ink.contrast, widest)


def _grouped(groups: list[_Group]) -> list[_Group]:
    """Join what belongs together, until nothing more does."""
    for i, group in enumerate(groups):
        for j in range(i + 1, len(groups)):
            if _belong(group.box, groups[j].box):
                joined = group.joined(groups[j])
                return _grouped([*groups[:i], joined, *groups[i + 1 : j], *groups[j + 1 :]])
    return groups


def _belong(one: Box, other: Box) -> bool:
    """Tell whether strokes so placed are of one figure: a bar above a 5, the halves of an open 4, a broken line."""
    large, small = (one, other) if one.longer >= other.longer else (other, one)
    across, down = one.gaps(other)
    gap = float(np.hypot(max(across, 0), max(down, 0)))
    if small.longer < 0.45 * large.longer:
        return gap <= 0.15 * large.longer
    if across > 0 and min(one.height, other.height) > 0.75 * large.longer:
        return gap <= 0.03 * large.longer
    if -across >= 0.25 * min(one.width, other.width):
        return down <= 0.2 * large.longer
    return gap <= 0.09 * large.longer


def _rank(group: _Group) -> float:
    """Return how likely a group is the figure: by its ink, less what lies along the border, never a horizontal bar."""
    return group.ink * (group.free**2 + 0.001) * (0.02 if group.box.width > 7 * group.box.height else 1)


def _check(groups: list[_Group], labels: Labels, *, crowded: bool) -> None:
    if not groups or crowded:
        raise NoDigit(_UNREADABLE)
    box, ink = groups[0].box, groups[0].ink
    if box.longer < _SMALLEST * max(labels.shape) or box.width > _WIDEST * box.height:
        raise NoDigit(_UNREADABLE)
    rivals = (group for group in groups[1:] if group.free > _FREE and group.box.width < 4 * group.box.height)
    if any(rival.box.longer >= 0.5 * box.longer and rival.ink >= 0.25 * ink for rival in rivals):
        raise SeveralDigits(_SEVERAL)


def _figure(group: _Group, amount: Floats, labels: Labels, share: float, contrast: float, widest: int | None) -> Figure:
    member = np.isin(labels, group.pieces).astype(np.uint8)
    longer, thickest = group.box.longer, _thickest(member)
    if thickest > _SOLID * longer:
        raise NoDigit(_UNREADABLE)
    slender, apart = thickest < _STOUT * longer, group.free > _FREE
    if widest is None:
        clear = (slender and share > 0.7) or share > 0.9 if apart else slender and share > 0.9
    else:
        clear = slender and apart and longer > 1.4 * widest and thickest < 0.65 * widest
    sure = clear and longer > _SURE_SIZE * max(labels.shape)
    return Figure(_cut(amount, member, group.box), group.box, group.ink * contrast if slender else 0.0, sure)


def _thickest(member: Mask) -> float:
    """Return the diameter of the largest disc that fits into the strokes, in pixels."""
    padded = cv2.copyMakeBorder(member, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())


def _cut(amount: Floats, member: Mask, box: Box) -> Floats:
    """Return the ink of the members with their soft edges, and a pixel of paper around."""
    edges = cv2.dilate(member, np.ones((3, 3), np.uint8))
    ink = np.where(edges > 0, amount, 0)
    ink[ink < _FAINTEST] = 0
    top, left = max(0, box.top - 1), max(0, box.left - 1)
    return np.asarray(ink[top : box.top + box.height + 1, left : box.left + box.width + 1], np.float32)


def _border(labels: Labels) -> Labels:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
