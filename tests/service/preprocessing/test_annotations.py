"""What is drawn around a digit goes; the strokes of a digit stay."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.annotations import without_annotations
from service.preprocessing.mnist_format import canonical_digit
from tests import scenes
from tests.service.preprocessing.test_mnist_format import likeness

Mask = npt.NDArray[np.uint8]
LABELS = pytest.mark.parametrize("label", range(10))


def strokes(label: int) -> Mask:
    return (scenes.ink(label) > 0.5).astype(np.uint8)


def around(mask: Mask, name: str) -> Mask:
    """Return what is drawn around a digit, alone."""
    x, y, width, height = cv2.boundingRect(mask)
    drawn = np.zeros_like(mask)
    if name == "underline":
        cv2.line(drawn, (x - 20, y + height + 20), (x + width + 20, y + height + 24), 1, 8)
    elif name == "slanted underline":
        cv2.line(drawn, (x - 20, y + height + 12), (x + width + 20, y + height + 44), 1, 8)
    elif name == "two underlines":  # the upper one is the longer
        for below, out in ((20, 20), (34, 8)):
            cv2.line(drawn, (x - out, y + height + below), (x + width + out, y + height + below + 4), 1, 6)
    elif name == "brackets":
        for side, way in ((x - 24, 8), (x + width + 24, -8)):
            bracket = [(side + way, y - 12), (side, y - 12), (side, y + height + 12), (side + way, y + height + 12)]
            cv2.polylines(drawn, [np.array(bracket, np.int32)], False, 1, 6)
    elif name in ("line to write on", "short line", "slanted line"):
        out, slant = {"line to write on": (120, 0), "short line": (50, 0), "slanted line": (50, 18)}[name]
        cv2.line(drawn, (x - out, y + height - slant), (x + width + out, y + height + slant), 1, 4)
    else:
        cv2.circle(drawn, (x + width // 2, y + height // 2), height * 7 // 9, 1, 6)
    return drawn


@LABELS
@pytest.mark.parametrize(
    "name",
    [
        "underline",
        "slanted underline",
        "two underlines",
        "line to write on",
        "short line",
        "slanted line",
        "brackets",
        "ring",
    ],
)
def test_annotations_around_a_digit_are_removed(label: int, name: str) -> None:
    picture = np.maximum(strokes(label), around(strokes(label), name))
    alone = canonical_digit(255 - 200 * strokes(label))
    assert likeness(canonical_digit(255 - 200 * picture), alone) > 0.9


@LABELS
def test_digit_alone_is_unchanged(label: int) -> None:
    assert without_annotations(strokes(label)) is not None
    np.testing.assert_array_equal(without_annotations(strokes(label)), strokes(label))


def test_foot_of_a_2_and_bar_of_a_5_stay() -> None:
    two = strokes(2)
    x, y, width, height = cv2.boundingRect(two)
    cv2.line(two, (x - 5, y + height - 4), (x + width + 25, y + height - 4), 1, 8)
    np.testing.assert_array_equal(without_annotations(two), two)
    wavy = np.zeros((200, 240), np.uint8)  # a foot on both sides, drawn by hand
    cv2.polylines(wavy, [np.array([(90, 40), (130, 45), (140, 80), (110, 150)])], False, 1, 12)
    cv2.polylines(wavy, [np.array([(45, 155), (65, 163), (110, 150), (170, 156), (200, 146)])], False, 1, 12)
    np.testing.assert_array_equal(without_annotations(wavy), wavy)
    five = np.zeros((200, 200), np.uint8)
    cv2.ellipse(five, (90, 130), (35, 35), 0, -110, 150, 1, 8)
    cv2.line(five, (80, 60), (78, 95), 1, 8)
    cv2.line(five, (90, 48), (140, 46), 1, 8)
    np.testing.assert_array_equal(without_annotations(five), five)


@pytest.mark.parametrize("gap_side", range(4))
def test_a_ring_with_the_rest_reaching_through_its_gap_stays(gap_side: int) -> None:
    mask = np.zeros((200, 200), np.uint8)
    cv2.ellipse(mask, (100, 100), (60, 60), 0, 115, 425, 1, 6)
    cv2.line(mask, (75, 110), (125, 110), 1, 6)
    cv2.line(mask, (100, 70), (100, 154), 1, 6)
    mask = np.ascontiguousarray(np.rot90(mask, gap_side))
    np.testing.assert_array_equal(without_annotations(mask), mask)


def test_nothing_is_nothing() -> None:
    assert not without_annotations(np.zeros((50, 40), np.uint8)).any()


def test_1s_beside_a_digit_that_are_no_higher_are_no_brackets() -> None:
    seven = strokes(7)
    x, y, width, height = cv2.boundingRect(seven)
    for left in (x - 30, x + width + 30):
        cv2.line(seven, (left, y - 2), (left, y + height + 2), 1, 8)
    np.testing.assert_array_equal(without_annotations(seven), seven)


@pytest.mark.parametrize("width", range(1, 12))
@pytest.mark.parametrize("height", [1, 2, 40])
def test_a_bar_of_any_width_is_unchanged(width: int, height: int) -> None:
    bar = np.pad(np.ones((height, width), np.uint8), 5)
    np.testing.assert_array_equal(without_annotations(bar), bar)
