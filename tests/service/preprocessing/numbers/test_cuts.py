"""Paths between digits that touch."""

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats, Labels
from service.preprocessing.numbers.cuts import find_cuts
from service.preprocessing.numbers.pieces import Piece


def joined() -> tuple[Piece, Labels, Floats]:
    """Two upright bars, and a thin one across between them: an H."""
    amount = np.zeros((64, 90), np.float32)
    amount[:, :10] = amount[:, -10:] = amount[28:34] = 1
    return Piece(1, Box(0, 0, 90, 64), float(amount.sum())), (amount > 0).astype(np.int32), amount


def test_the_cheapest_path_crosses_the_thin_bar_once() -> None:
    piece, labels, amount = joined()
    cuts, pen = find_cuts([piece], labels, amount)
    assert 5 < pen < 11
    best = min(cuts[1], key=lambda cut: cut.crossed)
    assert 0.4 < best.crossed < 1.2
    assert ((best.columns > 10) & (best.columns < 80)).all()
    assert len(best.columns) == 64


def test_paths_stand_from_left_to_right() -> None:
    piece, labels, amount = joined()
    cuts, _ = find_cuts([piece], labels, amount)
    middles = [cut.columns.mean() for cut in cuts[1]]
    assert len(middles) > 1
    assert middles == sorted(middles)


def test_a_path_follows_the_gap_between_leaning_strokes() -> None:
    rows = np.arange(64)
    amount = np.zeros((64, 120), np.float32)
    for offset in (0, 40):
        for row in rows:
            left = offset + (63 - row) // 2
            amount[row, left : left + 12] = 1
    amount[60:, :60] = 1  # they meet at their feet
    piece = Piece(1, Box(0, 0, 120, 64), float(amount.sum()))
    cuts, _ = find_cuts([piece], (amount > 0).astype(np.int32), amount)
    leaning = [cut for cut in cuts[1] if cut.columns[5] - cut.columns[55] >= 10]
    assert min(cut.crossed for cut in leaning) < 0.8


def test_nothing_to_cut() -> None:
    assert find_cuts([], np.zeros((4, 4), np.int32), np.zeros((4, 4), np.float32)) == ({}, 1.0)


def test_strokes_that_run_along_each_other_are_parted_where_they_meet() -> None:
    rows, columns = np.mgrid[:80, :140]
    rings = [abs(np.hypot(columns - middle, rows - 40) - 32) < 4 for middle in (36, 104)]  # 4 pixels in common
    amount = np.asarray(rings[0] | rings[1], np.float32)
    piece = Piece(1, Box(0, 0, 140, 80), float(amount.sum()))
    cuts, pen = find_cuts([piece], (amount > 0).astype(np.int32), amount)
    best = min(cuts[1], key=lambda cut: abs(cut.columns - 70).max())
    assert abs(best.columns[30:50] - 70).max() < pen / 2
    assert best.crossed < 2.5  # 3.4 without the corners
