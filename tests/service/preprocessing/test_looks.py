"""Other looks at a digit."""

import cv2
import numpy as np
import pytest

from service.preprocessing.looks import LOOKS, looks
from service.preprocessing.mnist_format import canonical_digit
from tests import scenes


@pytest.mark.parametrize("label", [0, 1, 3, 8])
def test_smaller_and_larger(label: int) -> None:
    digit = canonical_digit(255 - (scenes.ink(label) * 255).astype(np.uint8))
    found = looks(digit)
    assert (found.shape, found.dtype) == ((LOOKS, 28, 28), np.uint8)
    smaller, larger = found
    assert cv2.boundingRect(smaller)[3] < cv2.boundingRect(digit)[3] < cv2.boundingRect(larger)[3]
    for look in found:
        mass = cv2.moments(look)
        assert (mass["m10"] / mass["m00"], mass["m01"] / mass["m00"]) == pytest.approx((14, 14), abs=0.1)


def test_a_blank_picture_stays_blank() -> None:
    assert not looks(np.zeros((28, 28), np.uint8)).any()
