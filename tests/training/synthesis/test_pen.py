from dataclasses import replace

import numpy as np
import pytest

from training.synthesis import pen

HAND = pen.Hand(
    looseness=0, slant=0, rotation=0, aspect=1, warp=0, tremor=0, width=0.1, pressure=0, taper=1, nib=None, gap=0
)
STEM = [np.array([[0.0, 0.0], [0.0, 1.0]])]
RANDOM = np.random.default_rng


def extent(ink: pen.Bytes) -> tuple[int, int]:
    """Return height and width of the pixels that are at least half inked."""
    rows, columns = np.flatnonzero((ink > 127).any(axis=1)), np.flatnonzero((ink > 127).any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_spline_passes_through_its_points() -> None:
    points = RANDOM(1).uniform(0, 1, (6, 2))
    line = pen.spline(points)
    assert all(np.abs(line - point).max(axis=1).min() < 1e-9 for point in points)


def test_spline_through_four_points_of_a_circle_is_nearly_round() -> None:
    angles = np.linspace(0, 4 * np.pi, 9)
    line = pen.spline(np.column_stack([np.cos(angles), np.sin(angles)]))
    radii = np.hypot(*line[20:60].T)  # away from the ends
    assert np.abs(radii - 1).max() < 0.03


def test_spline_through_two_points_is_straight() -> None:
    line = pen.spline(np.array([[0.0, 0.0], [2.0, 1.0]]))
    np.testing.assert_allclose(line[:, 0], 2 * line[:, 1])


@pytest.mark.parametrize("width", [0.02, 0.05, 0.1, 0.22])
def test_a_stroke_fills_the_height_and_is_as_wide_as_the_pen(width: float) -> None:
    ink = pen.draw(STEM, replace(HAND, width=width), RANDOM(1))
    assert (ink.shape, ink.dtype) == ((pen.SIDE, pen.SIDE), np.uint8)
    height, across = extent(ink)
    assert height == pytest.approx(pen.SIDE - 6, abs=2)
    assert across == pytest.approx(max(1, width * height / (1 + width)), abs=1.6)


def test_slant_leans_to_the_right() -> None:
    ink = pen.draw(STEM, replace(HAND, slant=0.4), RANDOM(1))
    top, bottom = (np.flatnonzero(ink[row] > 127).mean() for row in (20, -20))
    assert top - bottom > 0.3 * (ink.shape[0] - 40)


def test_a_gap_breaks_the_stroke() -> None:
    whole, broken = (pen.draw(STEM, replace(HAND, gap=gap), RANDOM(1)) for gap in (0, 0.3))
    inked = [(ink > 127).any(axis=1).sum() for ink in (whole, broken)]
    assert inked[1] < 0.85 * inked[0]
    assert extent(whole)[0] == pytest.approx(pen.SIDE - 6, abs=2)


def test_a_flat_tip_draws_thick_along_one_way_and_thin_along_the_other() -> None:
    lines = (STEM, [np.array([[0.0, 0.0], [1.0, 0.0]])])
    flat = replace(HAND, nib=0.0)
    upright, level = (extent(pen.draw(line, flat, RANDOM(1))) for line in lines)
    assert upright[1] > 2.5 * level[0]


def test_pressure_and_tremor_change_the_line() -> None:
    plain = pen.draw(STEM, HAND, RANDOM(1))
    for changed in (replace(HAND, pressure=0.3), replace(HAND, tremor=0.02), replace(HAND, warp=0.2)):
        assert np.any(pen.draw(STEM, changed, RANDOM(1)) != plain)


def test_hands_go_from_hairline_to_marker() -> None:
    hands = [pen.draw_hand(RANDOM(seed)) for seed in range(300)]
    widths = [hand.width for hand in hands]
    assert min(widths) < 0.022
    assert max(widths) > 0.16
    assert {hand.nib is None for hand in hands} == {True, False}
    assert {hand.gap > 0 for hand in hands} == {True, False}
