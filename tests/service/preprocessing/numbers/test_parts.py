"""Parts of a line at its cuts, and how they are seen in their place."""

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats
from service.preprocessing.numbers.candidates import Drawing, Part, spans_of
from service.preprocessing.numbers.cuts import Cut
from service.preprocessing.numbers.lines import Line
from service.preprocessing.numbers.pieces import Piece
from service.preprocessing.numbers.whole import HEIGHT, VIEW

TALL, WIDE, TOP = 64, 32, 20


def parts(*lefts: int, cut: float) -> tuple[list[Part], Floats]:
    """The parts of a line of solid rectangles, each with an upright cut, and their views."""
    labels = np.zeros((TALL + 2 * TOP, max(lefts) + 2 * WIDE), np.int32)
    for number, left in enumerate(lefts):
        labels[TOP : TOP + TALL, left : left + WIDE] = number + 1
    pieces = [Piece(number + 1, Box(left, TOP, WIDE, TALL), float(TALL * WIDE)) for number, left in enumerate(lefts)]
    cuts = {piece.label: [Cut(np.full(TALL, cut), 2.0)] for piece in pieces}
    spans = spans_of(Line(pieces, float(TALL)), cuts)
    drawing = Drawing(labels, (labels > 0).astype(np.float32))
    found = drawing.parts(spans, cuts, float(TALL))
    return found, drawing.views(spans, found, float(TALL))


def test_a_view_has_its_ink_in_the_middle_and_the_neighbours_beside_it() -> None:
    found, views = parts(10, 70, cut=16.0)
    shown = {(part.first, part.end): view for part, view in zip(found, views, strict=True)}
    for places, inner, outer in (((0, 2), slice(0, 13), slice(14, None)), ((2, 4), slice(13, None), slice(0, 12))):
        own, around = shown[places]
        rows, columns = np.nonzero(own > 0.1)
        assert abs(rows.mean() - (VIEW[0] - 1) / 2) <= 1
        assert abs(columns.mean() - (VIEW[1] - 1) / 2) <= 1
        assert np.ptp(rows) + 1 == HEIGHT
        assert (around[:, outer] > 0.1).any()
        assert not (around[:, inner] > 0.1).any()


def test_a_cut_shares_the_ink() -> None:
    found, views = parts(10, cut=12.0)
    shown = {(part.first, part.end): view for part, view in zip(found, views, strict=True)}
    assert {places: [part.cuts for part in found if part[:2] == places] for places in shown} == {
        (0, 1): [1], (0, 2): [0], (1, 2): [1],
    }  # fmt: skip
    left, whole, right = (shown[places][0].sum() for places in ((0, 1), (0, 2), (1, 2)))
    assert np.isclose(left + right, whole, rtol=0.02)
    assert np.isclose(left / whole, 12 / WIDE, atol=0.03)
    assert np.allclose([view.sum() for view in views], whole, rtol=0.02)
