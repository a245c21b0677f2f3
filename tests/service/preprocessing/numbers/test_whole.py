"""Which parts at cuts are taken for whole digits."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.preprocessing.illumination import Grey
from service.preprocessing.numbers.candidates import Candidate
from service.preprocessing.numbers.segment import segment
from service.preprocessing.numbers.whole import whole


def candidates(*lefts: int) -> list[Candidate]:
    """The candidates of rings 70 pixels wide."""
    image = Image.new("L", (320, 200), 255)
    for left in lefts:
        ImageDraw.Draw(image).ellipse([left, 50, left + 70, 150], outline=0, width=8)
    picture: Grey = np.asarray(image)
    [row] = segment(picture).rows
    return row.candidates


def test_a_whole_ring_is_not_judged_and_its_parts_are_unlikely() -> None:
    found = candidates(100)
    [ring] = [one for one in found if not one.cuts]
    assert ring.box.width in range(68, 75)
    assert not ring.whole.any()
    assert len(found) > 1
    assert all(one.whole.max() < np.log(0.1) for one in found if one.cuts)


@pytest.mark.parametrize("left", [60, 127])
def test_two_rings_that_touch_are_two_zeros(left: int) -> None:
    near = [one for one in candidates(60, 127) if one.cuts and abs(one.box.left - left) < 10]
    ring = max(one.whole[0] for one in near if abs(one.box.width - 70) < 12)
    assert ring > np.log(0.5)
    assert all(one.whole.max() < ring - 1 for one in near if one.box.width < 50 or one.box.width > 90)


def test_probabilities_of_digits_leave_room_for_none() -> None:
    views = np.random.default_rng(0).random((5, 2, 20, 28), dtype=np.float32)
    found = whole(views)
    assert found.shape == (5, 10)
    assert (np.exp(found).sum(axis=1) < 1 + 1e-5).all()
    assert np.allclose(whole(views[2:3]), found[2:3], atol=1e-4)
    assert whole(views[:0]).shape == (0, 10)
