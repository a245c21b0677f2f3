"""What is drawn around a number goes; strokes that cross it stay whole."""

import cv2
import numpy as np
import pytest

from service.preprocessing.illumination import Mask
from service.preprocessing.numbers.marks import without_marks, writing_height

SPECKS = 20  # pixels of what was drawn around that may be left


def figures(count: int = 4, *, top: int = 40, step: int = 60) -> Mask:
    """Upright bars, 50 pixels high, each with a foot."""
    strokes = np.zeros((140, 60 + step * count), np.uint8)
    for index in range(count):
        left = 40 + step * index
        strokes[top : top + 50, left : left + 6] = strokes[top + 44 : top + 50, left : left + 26] = 1
    return strokes


def kept(strokes: Mask, drawn: Mask) -> float:
    """The share of the figures' ink that is left."""
    return float((strokes[drawn > 0] > 0).mean())


def cleaned(strokes: Mask) -> Mask:
    return without_marks(strokes, strokes, strokes.astype(np.float32))


def test_figures_stay_as_they_are() -> None:
    assert (cleaned(figures()) == figures()).all()


@pytest.mark.parametrize("row", [100, 86], ids=["below", "through the feet"])
def test_an_underline_goes(row: int) -> None:
    drawn = figures()
    strokes = drawn.copy()
    strokes[row : row + 3, 10:-10] = 1
    left = cleaned(strokes)
    assert kept(left, drawn) > 0.95
    assert abs(int(left.sum()) - int(drawn.sum())) < SPECKS


@pytest.mark.parametrize("cells", [2, 4, 9])
def test_a_comb_of_cells_goes(cells: int) -> None:
    drawn = figures(cells)
    strokes = drawn.copy()
    for cell in range(cells):
        wall = 24 + 60 * cell
        cv2.rectangle(strokes, (wall, 26), (wall + 60, 104), 1, 2)
    left = cleaned(strokes)
    assert kept(left, drawn) > 0.95
    assert abs(int(left.sum()) - int(drawn.sum())) < SPECKS * cells / 4


def test_the_height_of_writing_is_that_of_most_ink() -> None:
    heights, ink = np.array([3, 50, 4, 52, 48, 90], np.int32), np.array([5, 300, 6, 310, 290, 100])
    assert writing_height(heights, ink) in (50, 52)


def test_nothing_drawn() -> None:
    empty = np.zeros((40, 60), np.uint8)
    assert cleaned(empty).sum() == 0


def ringed(*, touching: bool) -> tuple[Mask, Mask]:
    """Figures with a ring around them, and the same without."""
    drawn = figures(3, top=45)
    strokes = drawn.copy()
    cv2.ellipse(strokes, (118, 70), (108, 60), 3, 5, 355, 1, 3)
    if touching:
        strokes[68:72, 5:42] = 1
    return strokes, drawn


def test_a_ring_around_figures_goes() -> None:
    strokes, drawn = ringed(touching=False)
    assert (cleaned(strokes) == drawn).all()


def test_a_ring_that_a_figure_touches_stays_with_it() -> None:
    strokes, _ = ringed(touching=True)
    assert (cleaned(strokes) == strokes).all()
