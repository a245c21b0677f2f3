"""Strokes -> groups that may be figures: which pieces belong together, and which group is the likeliest figure."""

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Labels, Mask
from service.preprocessing.page import is_panel

_FREE = 0.85  # of its longer side does not lie along the border
LOOSE = 0.5  # of its longer side: what lies so far along the border is no part of a figure away from it
_SPECK = 1.5  # times its own length: no piece belongs to a figure that is further away
_AS_HIGH, _AS_DARK, _BOTH = 0.75, 0.4, 0.9  # as the other one; of all ink: two digits in a bitmap
_FLAT, _UPRIGHT = 1.8, 3.0  # times its height: no digit but the bar of a 5; times its width
_RIVAL, _LONGER, _LONGEST = 0.2, 1.4, 2.2  # of the most ink; a pen's length by that of the figure, free of the border
_SLENDER = 3  # a pen's length by its width


@dataclass(frozen=True)
class Group:
    """Strokes that lie together: the labels of their pieces, their bounds, their ink, their pixels on the rim."""

    pieces: tuple[int, ...]
    box: Box
    ink: float
    contact: int

    @property
    def free(self) -> float:
        """The share of the longer side that does not lie along the rim."""
        return max(0.0, 1 - self.contact / self.box.longer)

    @property
    def apart(self) -> bool:
        """Whether hardly any of it lies along the rim."""
        return self.free > _FREE

    def joined(self, other: "Group") -> "Group":
        box = self.box.around(other.box)
        return Group(self.pieces + other.pieces, box, self.ink + other.ink, self.contact + other.contact)


def side_by_side(groups: list[Group]) -> bool:
    """Tell whether two pieces of a bitmap are digits of their own: as high, as dark, one beside the other."""
    if len(groups) < 2:
        return False
    one, other, *_ = groups
    if one.ink + other.ink < _BOTH * sum(group.ink for group in groups):
        return False
    across, _ = one.box.gaps(other.box)
    heights, inks = sorted((one.box.height, other.box.height)), sorted((one.ink, other.ink))
    return across > 0 and heights[0] > _AS_HIGH * heights[1] and inks[0] > _AS_DARK * inks[1]


def grouped(groups: list[Group], apart: set[tuple[Group, Group]] | None = None) -> list[Group]:
    """Join what belongs together, until nothing more does; `apart` are the pairs known not to."""
    apart = set() if apart is None else apart
    for one, other in combinations(groups, 2):
        if (one, other) not in apart and _belong(one, other):
            joined = [one.joined(other) if group is one else group for group in groups if group is not other]
            return grouped(joined, apart)
        apart.add((one, other))
    return groups


def _belong(one: Group, other: Group) -> bool:
    """Tell whether strokes are of one figure: a bar above a 5, the halves of an open 4, a broken line."""
    if (one.contact == 0 and other.free < LOOSE) or (other.contact == 0 and one.free < LOOSE):
        return False
    large, small = (one.box, other.box) if one.box.longer >= other.box.longer else (other.box, one.box)
    across, down = large.gaps(small)
    gap = float(np.hypot(max(across, 0), max(down, 0)))
    above = small.bottom < large.top + 0.3 * large.height
    if small.longer > 0.3 * large.longer and small.width > _FLAT * small.height and above:  # the bar of a 5
        return gap <= 0.5 * large.longer
    if small.longer < 0.45 * large.longer:
        return gap <= min(0.15 * large.longer, _SPECK * small.longer)
    if across > 0 and min(large.height, small.height) > 0.75 * large.longer:
        return gap <= 0.03 * large.longer
    if -across >= 0.25 * min(large.width, small.width):
        return down <= 0.2 * large.longer
    return gap <= 0.09 * large.longer


def ranked(groups: list[Group], labels: Labels) -> list[Group]:
    """Return the groups, the likeliest figure first, without panels and without a pen that lies beside the figure."""
    least = _RIVAL * max((group.ink for group in groups), default=0)
    large = {group: member_of(group, labels[group.box.slices(0)]) for group in groups if group.ink > least}
    drawn = [group for group, member in large.items() if not is_panel(member)]
    pens = [group for group in drawn if _is_pen(group, large[group], [other for other in drawn if other is not group])]
    left = (group for group in groups if group not in large or (group in drawn and group not in pens))
    return sorted(left, key=_rank, reverse=True)


def member_of(group: Group, labels: Labels) -> Mask:
    """Return which pixels are the group's."""
    return np.asarray(np.logical_or.reduce([labels == piece for piece in group.pieces])).view(np.uint8)


def _is_pen(bar: Group, member: Mask, others: list[Group]) -> bool:
    """Tell whether a bar is longer than all others, which are no specks beside it: a 1 is as high as they."""
    longest = max((other.box.longer for other in others), default=0)
    if bar.box.longer < _LONGER * longest or not (bar.contact or bar.box.longer < _LONGEST * longest) or not others:
        return False
    across, down = cv2.minAreaRect(cv2.findNonZero(member))[1]
    return min(across, down) * _SLENDER < max(across, down)


def _rank(group: Group) -> float:
    """Return how likely a group is the figure: by its ink, less what lies along the rim, never a horizontal bar.

    A long upright bar that the rim cuts off, as it does a pen or the edge of a table, hardly ever is.
    """
    flat = group.box.width > 7 * group.box.height
    return group.ink * (group.free**2 + 0.001) * (0.02 if flat else 0.2 if _is_cut_off_bar(group) else 1)


def several(groups: list[Group]) -> bool:
    figure = groups[0]
    rivals = (group for group in groups[1:] if group.apart and not _is_line(group))
    return any(rival.box.longer >= 0.5 * figure.box.longer and rival.ink >= 0.25 * figure.ink for rival in rivals)


def _is_line(group: Group) -> bool:
    """Tell whether a group is flat, or may be a piece of a margin's line."""
    return group.box.width > _FLAT * group.box.height or _is_cut_off_bar(group)


def _is_cut_off_bar(group: Group) -> bool:
    return group.contact > 0 and group.box.height > _UPRIGHT * group.box.width
