"""The second look at a slanted digit."""

import cv2
import numpy as np
import pytest

from service.preprocessing.deskew import deskewed
from service.preprocessing.mnist_format import canonical_digit, in_mnist_form
from tests import scenes
from tests.service.preprocessing.test_mnist_format import likeness


@pytest.mark.parametrize("slant", [-0.4, 0.4])
@pytest.mark.parametrize("label", [0, 1, 3, 8])
def test_slanted_digit_is_set_upright(label: int, slant: float) -> None:
    ink = (scenes.ink(label) * 255).astype(np.uint8)
    shear = np.array([[1, slant, -slant * scenes.HEIGHT / 2], [0, 1, 0]], np.float32)
    slanted = canonical_digit(255 - cv2.warpAffine(ink, shear, ink.shape[::-1]))
    upright = deskewed(slanted)
    assert upright is not None
    assert in_mnist_form(upright)
    again = deskewed(upright)
    assert again is None or likeness(again, upright) > 0.95
    moments, before = cv2.moments(upright), cv2.moments(slanted)
    assert abs(moments["mu11"] / moments["mu02"]) < 0.3 * abs(before["mu11"] / before["mu02"])


def test_nothing_has_no_slant() -> None:
    assert deskewed(np.zeros((28, 28), np.uint8)) is None
