"""Small bitmaps: magnified ones, lines of one pixel, and noise."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.errors import NoDigit, SeveralDigits
from service.preprocessing.bitmap import unmagnified, without_bars
from service.preprocessing.mnist_format import canonical_digit
from tests import scenes
from tests.service.preprocessing.test_mnist_format import likeness


def test_magnified_bitmap_is_the_bitmap() -> None:
    bitmap = scenes.bitmap(scenes.ink(6), 16)
    np.testing.assert_array_equal(unmagnified(np.kron(bitmap, np.ones((9, 9), np.uint8))), bitmap)
    picture = scenes.levels(scenes.page(scenes.ink(6)))
    assert unmagnified(picture) is picture


def line_drawing(side: int) -> npt.NDArray[np.uint8]:
    """Return a 9 drawn with a pen of one pixel, of 0 and 255."""
    bitmap = np.zeros((side, side), np.uint8)
    cv2.circle(bitmap, (side // 2, side // 3), side // 4, 255, 1)
    cv2.line(bitmap, (side // 2 + side // 4, side // 3), (side // 2, side - 2), 255, 1)
    return bitmap


def test_a_bold_bar_in_a_bitmap_is_a_1() -> None:
    bar = np.zeros((32, 32), np.uint8)
    bar[1:31, 8:23] = 255
    bar[1:31:3, 8] = 0
    assert np.count_nonzero(canonical_digit(bar)) > 60


@pytest.mark.parametrize("label", [0, 2, 3, 5, 8])
def test_small_bitmap_in_dim_and_uneven_light(label: int) -> None:
    bitmap = np.pad(scenes.bitmap(scenes.ink(label, stroke=0.08), 22), 4).astype(np.float64) / 255
    clear = canonical_digit(np.rint(230 - 200 * bitmap).astype(np.uint8))
    slope = np.linspace(0.6, 1, bitmap.shape[1])
    for picture in (120 - 25 * bitmap, (230 - 200 * bitmap) * slope):
        assert likeness(canonical_digit(np.rint(picture).astype(np.uint8)), clear) > 0.8


@pytest.mark.parametrize("turned", [False, True])
def test_letterbox_bars_are_not_ink(turned: bool) -> None:
    bitmap = np.pad(255 - scenes.bitmap(scenes.ink(4, stroke=0.08), 16), 2, constant_values=255)
    barred = np.pad(bitmap, ((4, 4), (0, 0)))
    alone = canonical_digit(bitmap.T if turned else bitmap)
    assert likeness(canonical_digit(barred.T if turned else barred), alone) > 0.95
    np.testing.assert_array_equal(without_bars(bitmap), bitmap)


def test_two_digits_in_a_bitmap_are_several() -> None:
    both = np.maximum(scenes.ink(3, left=0.3, stroke=0.09), scenes.ink(4, left=0.85, stroke=0.09))
    bitmap = cv2.resize((both[60:300, 80:440] * 255).astype(np.uint8), (28, 19), interpolation=cv2.INTER_AREA)
    with pytest.raises(SeveralDigits):
        canonical_digit(np.pad(bitmap, ((4, 5), (0, 0))))


@pytest.mark.parametrize(
    ("side", "times", "gaps"),
    [
        *[(side, times, 0.0) for side in (16, 24, 32) for times in (1, 5)],
        (28, 1, 0.0),
        (28, 1, 0.08),
    ],
)
def test_a_one_pixel_line_is_not_noise(side: int, times: int, gaps: float) -> None:
    line = line_drawing(side)
    line[np.random.default_rng(2).random(line.shape) < gaps] = 0
    bitmap = np.kron(line, np.ones((times, times), np.uint8))
    for polarity in (bitmap, 255 - bitmap):
        assert np.count_nonzero(canonical_digit(polarity)) > 60


@pytest.mark.parametrize("side", [8, 12, 16, 40, 100])
def test_small_noise_is_not_a_digit(side: int) -> None:
    for seed in range(20):
        with pytest.raises(NoDigit):
            canonical_digit(np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_dots_anywhere_are_noise(share: float) -> None:
    for seed in range(20):
        with pytest.raises(NoDigit):
            canonical_digit(((np.random.default_rng(seed).random((32, 32)) < share) * 255).astype(np.uint8))


def test_a_square_in_a_bitmap_is_not_a_digit() -> None:
    with pytest.raises(NoDigit):
        canonical_digit(np.pad(np.full((20, 20), 255, np.uint8), 6))
