"""Paths between digits that touch."""

import numpy as np
import pytest

from service.preprocessing.illumination import Floats
from service.preprocessing.numbers.cuts import find_cuts
from service.preprocessing.numbers.sequence import read_strip
from tests.service.preprocessing.numbers.test_sequence import ink_of


def rings(*middles: int) -> Floats:
    """Rings 68 pixels wide."""
    rows, columns = np.mgrid[:80, : max(middles) + 36]
    found = [abs(np.hypot(columns - middle, rows - 40) - 32) < 4 for middle in middles]
    return np.asarray(np.any(found, axis=0), np.float32)


def test_two_rings_that_touch_are_two_zeros() -> None:
    cuts = find_cuts(rings(36, 104), 80.0)
    best = int(np.argmax(cuts.odds[0, 1:-1, 0] + cuts.odds[1:-1, -1, 0]))
    assert cuts.odds[0, 1 + best, 0] > np.log(0.5)
    assert cuts.odds[1 + best, -1, 0] > np.log(0.5)
    assert cuts.odds[0, -1].max() < np.log(0.1)
    assert abs(cuts.columns[best] - 70).max() < 16  # nearer to it than to the middle of a ring


def test_a_ring_alone_is_one_zero() -> None:
    cuts = find_cuts(rings(36), 80.0)
    assert cuts.odds[0, -1, 0] > np.log(0.5)
    assert cuts.columns.shape[1] == 80


@pytest.mark.parametrize(("middles", "times"), [((36,), 1), ((36, 104), 3)])
def test_only_several_digits_are_read_again(middles: list[int], times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []

    def read(ink: Floats) -> Floats:
        widths.append(ink.shape[1])
        return read_strip(ink)

    monkeypatch.setattr("service.preprocessing.numbers.cuts.read_strip", read)
    find_cuts(rings(*middles), 80.0)
    assert len(widths) == len(set(widths)) == times


@pytest.mark.parametrize("text", ["50", "3058"])
def test_paths_stand_from_left_to_right(text: str) -> None:
    ink = ink_of(text, gap=-10)
    cuts = find_cuts(ink, float(ink.shape[0]))
    middles = cuts.columns.mean(axis=1).tolist()
    assert len(middles) >= len(text) - 1
    assert middles == sorted(middles)
    assert ((cuts.columns > 0) & (cuts.columns < ink.shape[1])).all()


def test_a_path_crosses_strokes_where_they_meet() -> None:
    ink = np.zeros((64, 100), np.float32)
    ink[:, 8:16] = ink[:, 60:68] = 1
    ink[40:46, 8:68] = 1  # two bars, and a thin one across between them
    cuts = find_cuts(ink, 64.0)
    crossed = [ink[np.arange(64), path.astype(int)].sum() for path in cuts.columns]
    assert min(crossed) <= 8
