"""Other looks at a digit."""

import cv2
import numpy as np
import pytest

from service.preprocessing.looks import LOOKS, looks
from service.preprocessing.mnist_format import canonical_digit
from tests import scenes


def slanted(label: int, slant: float) -> np.ndarray:
    ink = (scenes.ink(label) * 255).astype(np.uint8)
    shear = np.array([[1, slant, -slant * scenes.HEIGHT / 2], [0, 1, 0]], np.float32)
    return canonical_digit(255 - cv2.warpAffine(ink, shear, ink.shape[::-1]))


def slant_of(digit: np.ndarray) -> float:
    moments = cv2.moments(digit)
    return moments["mu11"] / moments["mu02"]


@pytest.mark.parametrize("slant", [-0.4, 0.4])
@pytest.mark.parametrize("label", [0, 1, 3, 8])
def test_upright_smaller_and_larger(label: int, slant: float) -> None:
    digit = slanted(label, slant)
    found = looks(digit)
    assert (found.shape, found.dtype) == ((LOOKS, 28, 28), np.uint8)
    upright, smaller, larger = found
    assert abs(slant_of(upright)) < 0.1 * abs(slant_of(digit))
    assert cv2.boundingRect(smaller)[3] < cv2.boundingRect(digit)[3] < cv2.boundingRect(larger)[3]
    for look in found:
        mass = cv2.moments(look)
        assert (mass["m10"] / mass["m00"], mass["m01"] / mass["m00"]) == pytest.approx((14, 14), abs=0.1)


@pytest.mark.parametrize("row", [None, 14])
def test_an_upright_digit_is_not_sheared(row: int | None) -> None:
    digit = np.zeros((28, 28), np.uint8)
    if row is not None:
        digit[row, 9:20] = 255
    np.testing.assert_array_equal(looks(digit)[0], digit)
