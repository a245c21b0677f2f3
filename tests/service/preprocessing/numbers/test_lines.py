"""Pieces -> lines, whatever their slope, and the order in which they are read."""

import pytest

from service.preprocessing.box import Box
from service.preprocessing.numbers.lines import find_lines
from service.preprocessing.numbers.pieces import Piece


def row(count: int, top: float, *, slope: float = 0.0, first: int = 1, step: int = 50) -> list[Piece]:
    return [
        Piece(first + index, Box(20 + step * index, round(top + slope * step * index), 30, 40), 300.0)
        for index in range(count)
    ]


@pytest.mark.parametrize("slope", [-0.2, -0.05, 0.0, 0.05, 0.2])
def test_one_line_that_slopes_stays_one(slope: float) -> None:
    [line] = find_lines(row(8, 200, slope=slope)[::-1], 40.0)
    assert [piece.label for piece in line.pieces] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert line.height == 40


@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.1])
def test_lines_from_top_to_bottom(slope: float) -> None:
    pieces = row(5, 300, slope=slope, first=10) + row(4, 220, slope=slope)
    lines = find_lines(pieces, 40.0)
    assert [[piece.label for piece in line.pieces] for line in lines] == [[1, 2, 3, 4], [10, 11, 12, 13, 14]]


def test_small_pieces_belong_to_the_line_beside_them() -> None:
    comma, far = Piece(8, Box(55, 235, 6, 12), 30.0), Piece(9, Box(55, 400, 6, 12), 30.0)
    [line] = find_lines([*row(3, 200), comma, far], 40.0)
    assert [piece.label for piece in line.pieces] == [1, 8, 2, 3]
