"""Parts of a line: what may be a digit, and how it is seen in its place."""

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats
from service.preprocessing.numbers.cuts import Cut
from service.preprocessing.numbers.parts import HEIGHT, VIEW, Span, Strip
from service.preprocessing.numbers.pieces import Piece

TALL, WIDE = 64, 32


def strip(*lefts: int, cut: float | None = None) -> Strip:
    """A line of solid rectangles, the first with an upright cut."""
    ink: Floats = np.ones((TALL, WIDE), np.float32)
    spans: list[Span] = []
    for index, left in enumerate(lefts):
        cuts = [Cut(np.full(TALL, cut), 2.0)] if cut is not None and index == 0 else []
        first = spans[-1].end if spans else 0
        piece = Piece(index + 1, Box(left, 20, WIDE, TALL), float(ink.sum()))
        spans.append(Span(piece, first, first + len(cuts) + 1, cuts))
    return Strip(spans, [ink] * len(spans), float(TALL))


def test_pieces_far_apart_are_not_joined() -> None:
    assert [(part.first, part.end) for part in strip(0, 100).parts] == [(0, 1), (1, 2)]
    assert (0, 2) in [(part.first, part.end) for part in strip(0, 33).parts]


def test_a_view_has_its_ink_in_the_middle_and_the_neighbours_beside_it() -> None:
    first, second = strip(0, 60).views
    for (own, around), inner, outer in (
        (first, slice(0, 13), slice(14, None)),
        (second, slice(13, None), slice(0, 12)),
    ):
        rows, columns = np.nonzero(own)
        assert abs(rows.mean() - (VIEW[0] - 1) / 2) <= 1
        assert abs(columns.mean() - (VIEW[1] - 1) / 2) <= 1
        assert around[:, outer].any()
        assert not around[:, inner].any()
    assert np.ptp(np.nonzero(first[0])[0]) + 1 == HEIGHT


def test_a_cut_shares_the_ink() -> None:
    line = strip(7, cut=12.0)
    views = dict(zip([(part.first, part.end) for part in line.parts], line.views, strict=True))
    assert set(views) == {(0, 1), (0, 2), (1, 2)}
    left, whole, right = (views[places][0].sum() for places in ((0, 1), (0, 2), (1, 2)))
    assert np.isclose(left + right, whole)
    assert np.isclose(left / whole, 12 / WIDE, atol=0.02)
    assert np.allclose([view.sum() for view in line.views], whole)
