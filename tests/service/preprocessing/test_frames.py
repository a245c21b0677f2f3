import cv2
import numpy as np
import pytest

from service.preprocessing.frames import without_frames
from service.preprocessing.illumination import Mask

SIDE = 120


def box(left: int, top: int, right: int, bottom: int, *, thickness: int = 3) -> Mask:
    """Return a box with these outer bounds, of which what lies beyond the picture is missing."""
    strokes = np.zeros((SIDE, SIDE), np.uint8)
    half = thickness // 2
    corner = left + half, top + half
    cv2.rectangle(strokes, corner, (right - 1 - half, bottom - 1 - half), 1, thickness)
    return strokes


def three() -> Mask:
    strokes = np.zeros((SIDE, SIDE), np.uint8)
    for middle in (50, 70):
        cv2.ellipse(strokes, (60, middle), (11, 10), 0, -150, 90 if middle == 50 else 150, 1, 4)
    return strokes


@pytest.mark.parametrize("thickness", [1, 3, 7])
def test_a_box_is_removed_and_its_content_stays(thickness: int) -> None:
    np.testing.assert_array_equal(without_frames(box(30, 25, 90, 100, thickness=thickness) | three()), three())


@pytest.mark.parametrize(
    "bounds", [(-20, 25, 90, 100), (30, -20, 90, 100), (30, 25, 150, 100), (30, 25, 90, 150), (-20, -20, 90, 100)]
)
def test_a_box_cut_by_the_picture_is_removed(bounds: tuple[int, int, int, int]) -> None:
    np.testing.assert_array_equal(without_frames(box(*bounds) | three()), three())


def test_a_box_merged_with_the_border_is_removed() -> None:
    lost = box(-20, 25, 90, 100)
    lost[:, :3] = 0
    np.testing.assert_array_equal(without_frames(lost | three()), three())


@pytest.mark.parametrize("degrees", [-3, 3])
def test_a_box_may_be_turned_a_little(degrees: float) -> None:
    turn = cv2.getRotationMatrix2D((60, 60), degrees, 1)
    turned = np.asarray(cv2.warpAffine(box(30, 25, 90, 100), turn, (SIDE, SIDE)), np.uint8)
    np.testing.assert_array_equal(without_frames(turned | three()), three())


def test_a_stroke_across_a_side_stays_whole() -> None:
    stroke = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(stroke, (60, 10), (56, 80), 1, 5)
    found = without_frames(box(30, 25, 90, 100) | stroke)
    assert found[20:33, 50:70].any(axis=1).all(), "no gap where the side was"
    assert np.count_nonzero(found) < 1.15 * np.count_nonzero(stroke)


def test_an_empty_box_stays_because_it_may_be_a_0() -> None:
    np.testing.assert_array_equal(without_frames(box(30, 25, 90, 100)), box(30, 25, 90, 100))


def test_an_angular_8_stays() -> None:
    eight = box(40, 20, 80, 100, thickness=5)
    eight[58:63, 40:80] = 1
    np.testing.assert_array_equal(without_frames(eight), eight)


def test_a_ring_is_not_a_box() -> None:
    ring = three()
    cv2.circle(ring, (60, 60), 45, 1, 4)
    np.testing.assert_array_equal(without_frames(ring), ring)


@pytest.mark.parametrize("thickness", [16, 24])
def test_a_bold_0_with_long_sides_is_not_a_box(thickness: int) -> None:
    zero = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(zero, (60, 60), (40, 52), 0, 0, 360, 1, thickness)
    np.testing.assert_array_equal(without_frames(zero), zero)


def test_a_small_box_is_unchanged() -> None:
    small = box(10, 10, 24, 24)
    small[16, 16] = 1
    np.testing.assert_array_equal(without_frames(small), small)


def test_no_ink_stays_no_ink() -> None:
    assert not without_frames(np.zeros((SIDE, SIDE), np.uint8)).any()


@pytest.mark.parametrize("thickness", [3, 5])
def test_strokes_along_the_sides_make_them_no_thicker(thickness: int) -> None:
    bar = 26 + thickness
    seven = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(seven, [np.array([(48, bar), (84 - thickness, bar), (50, 90)])], False, 1, 5)
    found = without_frames(box(30, 25, 90, 100, thickness=thickness) | seven)
    assert found[seven > 0].mean() > 0.9
    assert np.count_nonzero(found & (1 - cv2.dilate(seven, np.ones((5, 5), np.uint8)))) < 100
