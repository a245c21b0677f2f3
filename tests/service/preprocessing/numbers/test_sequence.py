"""What pieces of a line say, column by column."""

from itertools import groupby, product

import numpy as np
import pytest

from service.preprocessing.illumination import Floats
from service.preprocessing.numbers.sequence import NONE, ROOM, ROWS, STRIDE, peaks, read_strip, segment_odds, strip
from tests import drawing


def ink_of(text: str, **options: int) -> Floats:
    """The ink of printed digits, without paper around it."""
    ink = 1 - np.asarray(drawing.number(text, **options), np.float32) / 255
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(("gap", "text"), [(4, "40273"), (-10, "50"), (-8, "35028")])
def test_digits_are_read_from_left_to_right(gap: int, text: str) -> None:
    ink = ink_of(text, gap=gap)
    odds = read_strip(strip(ink, float(ink.shape[0]))[0])
    assert "".join(str(digit) for digit, _ in groupby(odds.argmax(axis=1)) if digit != NONE) == text
    assert len(peaks(odds)) >= len(text)
    assert np.allclose(odds.sum(axis=1), 1, atol=1e-4)


def test_a_strip_has_the_ink_in_its_middle() -> None:
    ink = np.ones((40, 30), np.float32)
    for height, tall, wide in ((40.0, 24, 18), (30.0, 32, 24), (20.0, 34, 26)):
        found, scale = strip(ink, height)
        rows, columns = np.nonzero(found > 0.5)
        assert found.shape[0] == ROWS
        assert found.shape[1] % STRIDE == 0
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (tall, wide)
        assert scale == pytest.approx(tall / 40, abs=0.01)
        assert abs(rows.mean() - (ROWS - 1) / 2) <= 0.5
        assert columns.min() == ROOM


def test_segments_say_one_digit_as_likely_as_all_ways_to_say_it() -> None:
    odds = np.random.default_rng(0).dirichlet(np.ones(NONE + 1), 4).astype(np.float32)
    sides = [0, 1, 3, 4]
    found = np.exp(segment_odds(odds, sides))
    for first, end in ((0, 1), (0, 2), (1, 3), (0, 3)):
        wanted = np.zeros(NONE)
        columns = odds[sides[first] : sides[end]]
        for said in product(range(NONE + 1), repeat=len(columns)):
            digits = [digit for digit, _ in groupby(said) if digit != NONE]
            if len(digits) == 1:
                wanted[digits[0]] += np.prod(columns[np.arange(len(said)), said])
        assert np.allclose(found[first, end], wanted, rtol=1e-4)
    assert found[2, 1].max() < 1e-20


def test_peaks_are_where_a_digit_is_likelier_than_beside() -> None:
    odds = np.full((9, NONE + 1), 0.001, np.float32)
    odds[2, 3] = odds[3, 3] = 0.6
    odds[4, 7] = 0.9
    odds[7, 7] = 0.2
    assert peaks(odds).tolist() == [3, 4, 7]
