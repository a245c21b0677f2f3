"""The copy of a picture that numbers are read in."""

import numpy as np
import pytest

from service.preprocessing.numbers.reading import part_of

MOST_PIXELS, LONGEST = 165_000, 1200  # a little over the bound, because sides are whole pixels


@pytest.mark.parametrize(("height", "width"), [(3000, 4000), (300, 5000), (2000, 100), (401, 402), (300, 400)])
def test_a_copy_is_bounded_and_maps_back_to_the_picture(height: int, width: int) -> None:
    copy = part_of(np.zeros((height + 7, width + 5), np.uint8), 5, 7, width, height)
    rows, columns = copy.grey.shape
    assert copy.grey.size <= MOST_PIXELS
    assert max(rows, columns) <= LONGEST
    assert copy.scale * columns == pytest.approx(width, rel=0.01)
    assert (copy.left, copy.top) == (5, 7)
    assert copy.rim.shape == copy.grey.shape
