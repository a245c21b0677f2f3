"""Parts of pieces at their cuts."""

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Candidate, Drawing
from service.preprocessing.numbers.cuts import Cuts
from service.preprocessing.numbers.lines import Line
from service.preprocessing.numbers.pieces import Piece

TALL, WIDE, TOP = 64, 40, 20
LIKELY = np.zeros((3, 3, 10), np.float32)


def candidates(odds: np.ndarray, *lefts: int) -> dict[tuple[int, int], Candidate]:
    """The candidates of a line of solid rectangles, each with an upright cut after 16 pixels, by their places."""
    labels = np.zeros((TALL + 2 * TOP, max(lefts) + 2 * WIDE), np.int32)
    for number, left in enumerate(lefts):
        labels[TOP : TOP + TALL, left : left + WIDE] = number + 1
    pieces = [Piece(number + 1, Box(left, TOP, WIDE, TALL), float(TALL * WIDE)) for number, left in enumerate(lefts)]
    cuts = {piece.label: Cuts(np.full((1, TALL), 16.0), odds) for piece in pieces}
    drawing = Drawing(labels, (labels > 0).astype(np.float32))
    row = drawing.row(Line(pieces, float(TALL)), cuts)
    assert [one.image for one in row.candidates] == list(range(len(drawing.images)))
    return {(one.first, one.end): one for one in row.candidates}


def test_a_cut_shares_the_ink() -> None:
    found = candidates(LIKELY, 10)
    assert {places: (one.box, one.cuts) for places, one in found.items()} == {
        (0, 1): (Box(10, TOP, 16, TALL), 1),
        (0, 2): (Box(10, TOP, WIDE, TALL), 0),
        (1, 2): (Box(26, TOP, WIDE - 16, TALL), 1),
    }


def test_places_go_on_from_piece_to_piece() -> None:
    assert set(candidates(LIKELY, 10, 110)) == {(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)}


def test_unlikely_parts_are_left_out_but_no_piece_is() -> None:
    odds = np.full((3, 3, 10), -70, np.float32)
    odds[0, 1, 4] = -1
    found = candidates(odds, 10)
    assert set(found) == {(0, 1), (0, 2)}
    assert found[0, 1].odds[4] == -1
    assert found[0, 1].odds[3] == found[0, 2].odds[0] > -10


def test_of_a_whole_piece_it_is_said_that_it_is_one_digit_and_which() -> None:
    odds = np.full((3, 3, 10), -70, np.float32)
    odds[0, 2, 4], odds[0, 2, 9] = np.log(0.6), np.log(0.3)
    found = candidates(odds, 10)[0, 2]
    assert np.allclose(found.odds, np.log(0.9))
    assert np.allclose(found.named[[4, 9]], np.log([2 / 3, 1 / 3]))
    assert -20 < found.named[5] < -5
