"""Folds of the paper are straight lines from edge to edge, and digits are not."""

import cv2
import numpy as np
import pytest

from service.errors import NoDigit
from service.preprocessing.creases import only_folds
from service.preprocessing.illumination import Mask
from service.preprocessing.mnist_format import canonical_digit
from tests import drawing, scenes

Line = tuple[tuple[int, int], tuple[int, int]]

HEIGHT, WIDTH = 160, 220
RIM = np.ones((HEIGHT, WIDTH), np.uint8)
RIM[1:-1, 1:-1] = 0

LEVEL: Line = ((0, 60), (219, 75))
STEEP: Line = ((90, 0), (150, 159))
CORNER: Line = ((0, 120), (80, 159))


def lines(*ends: Line, thickness: int = 5) -> Mask:
    strokes = np.zeros((HEIGHT, WIDTH), np.uint8)
    for start, end in ends:
        cv2.line(strokes, start, end, 1, thickness)
    return strokes


@pytest.mark.parametrize("folds", [(LEVEL,), (LEVEL, STEEP), (LEVEL, STEEP, CORNER), (STEEP, CORNER)])
def test_straight_lines_from_edge_to_edge_are_folds(folds: tuple[Line, ...]) -> None:
    assert only_folds(lines(*folds), RIM)


def test_line_that_ends_within_the_paper_is_not_a_fold() -> None:
    assert not only_folds(lines(((0, 60), (150, 75))), RIM)
    assert not only_folds(lines(((40, 60), (150, 75)), ((90, 20), (95, 130))), RIM)


def test_strokes_across_a_fold_are_not_a_fold() -> None:
    strokes = lines(LEVEL)
    cv2.ellipse(strokes, (110, 80), (30, 50), 0, 0, 360, 1, 5)
    assert not only_folds(strokes, RIM)


def test_lines_along_the_edge_are_not_folds() -> None:
    assert not only_folds(lines(((0, 2), (219, 2)), ((2, 0), (2, 159))), RIM)


def test_paper_ends_where_its_rim_is() -> None:
    rim = RIM.copy()
    rim[:, :30] = rim[:, -30:] = 1
    within = lines(((30, 60), (189, 75)))
    assert only_folds(within, rim)
    assert not only_folds(within, RIM)


def creased(*ends: Line) -> scenes.Shade:
    """Return light on a sheet with folds, each lighter on one side and darker on the other."""
    light = np.ones((scenes.HEIGHT, scenes.WIDTH))
    rows, columns = np.mgrid[0 : scenes.HEIGHT, 0 : scenes.WIDTH]
    for (x, y), (to_x, to_y) in ends:
        aside = ((columns - x) * (to_y - y) - (rows - y) * (to_x - x)) / np.hypot(to_x - x, to_y - y)
        relief = 0.6 * np.sign(aside) * np.exp(-np.abs(aside) / 25) - np.exp(-((aside / 1.5) ** 2))
        light *= 1 + 0.08 * relief
    return light


FOLDS: tuple[Line, Line] = (((0, 140), (479, 190)), ((180, 0), (330, 359)))


@pytest.mark.parametrize("count", [1, 2])
def test_empty_page_with_folds_is_not_a_digit(count: int) -> None:
    page = scenes.page(np.zeros((scenes.HEIGHT, scenes.WIDTH))) * creased(*FOLDS[:count])
    with pytest.raises(NoDigit):
        canonical_digit(scenes.levels(page, 1))


@pytest.mark.parametrize("label", range(10))
def test_digit_on_a_folded_page_is_found(label: int) -> None:
    canonical_digit(scenes.levels(scenes.page(scenes.ink(label)) * creased(*FOLDS), 1))


@pytest.mark.parametrize("label", [1, 4, 7])
def test_tightly_cropped_digit_is_not_a_fold(label: int) -> None:
    picture = np.asarray(drawing.digit(label, ink=100, paper=180))
    ink = picture < 140
    canonical_digit(picture[np.ix_(ink.any(axis=1), ink.any(axis=0))])
