"""Lines printed on paper: taken away, without what is written across them."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.ruled_lines import without_lines

Mask = npt.NDArray[np.uint8]


def blank() -> Mask:
    return np.zeros((200, 260), np.uint8)


def ruled(*, squared: bool = False, thickness: int = 2, slant: int = 0) -> Mask:
    lines = blank()
    for row in range(20, 200, 30):
        cv2.line(lines, (0, row), (259, row + slant), 1, thickness)
    for column in range(15, 260, 30) if squared else ():
        cv2.line(lines, (column, 0), (column - slant, 199), 1, thickness)
    return lines


def written() -> Mask:
    strokes = blank()
    cv2.polylines(strokes, [np.array([(90, 40), (170, 50), (120, 170)])], False, 1, 9)
    return strokes


def stripped(strokes: Mask, traces: Mask) -> Mask:
    """Return the strokes, all as dark as each other, without lines."""
    return without_lines(strokes, traces, strokes.astype(np.float32))


def share_kept(cleaned: Mask, of: Mask) -> float:
    return float(cleaned[of > 0].mean())


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize(("thickness", "slant"), [(1, 0), (2, 0), (3, 0), (2, 4)])
def test_lines_go_and_strokes_stay(squared: bool, thickness: int, slant: int) -> None:
    lines, strokes = ruled(squared=squared, thickness=thickness, slant=slant), written()
    both = lines | strokes
    cleaned = stripped(both, both)
    assert share_kept(cleaned, strokes) > 0.95
    assert share_kept(cleaned, lines & (1 - cv2.dilate(strokes, np.ones((9, 9), np.uint8)))) < 0.05


def test_lines_fainter_than_strokes_are_found_in_the_traces() -> None:
    lines, strokes = ruled(), written()
    faint = lines.copy()
    faint[:, ::3] = 0  # above the threshold of strokes only here and there
    cleaned = stripped(faint | strokes, lines | strokes)
    assert share_kept(cleaned, faint & (1 - cv2.dilate(strokes, np.ones((9, 9), np.uint8)))) < 0.05


def test_paper_without_lines_is_unchanged() -> None:
    np.testing.assert_array_equal(stripped(written(), written()), written())


def test_level_strokes_of_a_digit_are_not_lines() -> None:
    seven = blank()
    cv2.line(seven, (80, 50), (170, 50), 1, 3)
    cv2.line(seven, (170, 50), (120, 160), 1, 3)
    np.testing.assert_array_equal(stripped(seven, seven), seven)


def test_foot_of_a_2_between_two_lines_is_not_a_line() -> None:
    two, lines = blank(), blank()
    cv2.polylines(two, [np.array([(40, 60), (150, 60), (60, 150), (225, 148)])], False, 1, 4)
    lines[20:23] = lines[180:183] = 1
    np.testing.assert_array_equal(stripped(two | lines, two | lines), two)


@pytest.mark.parametrize("slope", [-0.22, -0.1, 0.12, 0.25])
def test_lines_of_a_photograph_taken_askew_go(slope: float) -> None:
    lines, strokes = blank(), written()
    for row in range(-60, 260, 40):
        cv2.line(lines, (0, row), (259, round(row + 259 * slope)), 1, 2)
    cleaned = stripped(lines | strokes, lines | strokes)
    assert share_kept(cleaned, strokes) > 0.95
    assert share_kept(cleaned, lines & (1 - cv2.dilate(strokes, np.ones((9, 9), np.uint8)))) < 0.05


def test_stroke_along_a_fainter_line_stays() -> None:
    lines, foot = ruled(), blank()
    cv2.line(foot, (90, 80), (150, 80), 1, 3)
    amount = np.maximum(0.4 * lines, foot).astype(np.float32)
    assert share_kept(without_lines(lines | foot, lines | foot, amount), foot) > 0.9


@pytest.mark.parametrize("thickness", [3, 6, 8])
def test_thick_line_under_a_large_digit_goes(thickness: int) -> None:
    line, strokes = blank(), written()
    cv2.line(line, (0, 188), (259, 184), 1, thickness)
    cleaned = stripped(line | strokes, line | strokes)
    assert cleaned[line > 0].mean() < 0.05
    assert share_kept(cleaned, strokes) > 0.95


def test_line_taken_askew_of_which_one_end_is_lost_goes() -> None:
    line, strokes = blank(), written()
    for row in (60, 120):
        cv2.line(line, (0, row), (240, row + 48), 1, 3)
    cleaned = stripped(line | strokes, line | strokes)
    assert cleaned[line > 0].mean() < 0.1
    assert share_kept(cleaned, strokes) > 0.9
