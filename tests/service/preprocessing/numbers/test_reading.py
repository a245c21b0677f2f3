"""Copies of a picture in bounded size, and the ways to see one."""

import numpy as np
import pytest

from service.preprocessing.illumination import Grey
from service.preprocessing.numbers.reading import copies, part_of, readings
from tests import drawing


def paper(height: int, width: int) -> Grey:
    return np.full((height, width), 230, np.uint8)


@pytest.mark.parametrize("shape", [(300, 1000), (3000, 4000), (30, 200), (2000, 20), (64, 64)])
def test_a_copy_is_bounded_and_knows_its_scale(shape: tuple[int, int]) -> None:
    copy = part_of(paper(*shape), 0, 0, shape[1], shape[0])
    assert copy.grey.size <= 240_000
    assert np.multiply(copy.grey.shape, copy.scale) == pytest.approx(shape, rel=0.02, abs=1)


def test_a_part_has_its_place() -> None:
    grey = paper(200, 400)
    grey[100:120, 300:330] = 0
    copy = part_of(grey, 280, 90, 80, 60)
    rows, columns = np.nonzero(copy.grey < 100)
    assert copy.left + columns.min() * copy.scale == pytest.approx(300, abs=1)
    assert copy.top + rows.max() * copy.scale == pytest.approx(120, abs=2)


def test_a_sheet_on_a_table_is_read_before_all_of_the_picture() -> None:
    table = np.full((600, 800), 60, np.uint8)
    number = np.asarray(drawing.number("4027"))
    sheet = np.full((320, 520), 235, np.uint8)
    sheet[40 : 40 + number.shape[0], 40 : 40 + number.shape[1]] = np.minimum(number, 235)
    table[140:460, 140:660] = sheet
    first, whole, *_ = copies(table)
    assert (first.left, first.top) == pytest.approx((140, 140), abs=8)
    assert first.grey.shape[1] * first.scale == pytest.approx(520, abs=16)
    assert (whole.left, whole.top) == (0, 0)


def test_even_light_comes_first_and_uneven_light_is_tried() -> None:
    number = np.asarray(drawing.number("4027"))
    found = list(readings(part_of(number, 0, 0, number.shape[1], number.shape[0])))
    assert found[0].widest is None
    assert any(reading.widest for reading in found)
    assert (found[0].strokes > 0).sum() > 1000


def test_a_small_bitmap_is_read_as_one() -> None:
    small = np.asarray(drawing.number("40", size=20))[:30]
    copy = part_of(small, 0, 0, small.shape[1], small.shape[0])
    assert copy.small
    assert copy.scale < 1


@pytest.mark.parametrize("levels", [(60, 235), (235, 60), (235, 200)])
def test_the_smallest_sheet_is_looked_for(levels: tuple[int, int]) -> None:
    table = np.full((400, 400), levels[0], np.uint8)
    table[120:270, 130:280] = levels[1]
    assert len(list(copies(table))) == 2
    assert len(list(copies(np.asarray(drawing.number("4027"))))) == 1
