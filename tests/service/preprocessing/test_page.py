"""A sheet of paper is found by its corners, in whatever light, and a digit is no sheet."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.illumination import Mask
from service.preprocessing.page import find_sheet, is_panel, without_ground
from tests import scenes

DIGITS = pytest.mark.parametrize("label", range(10))


@DIGITS
@pytest.mark.parametrize("degrees", [0, 17, -15])
@pytest.mark.parametrize("depth", [0.0, 0.6])
def test_sheet_on_a_table(label: int, degrees: float, depth: float) -> None:
    picture = scenes.on_table(scenes.page(scenes.ink(label)), degrees) * scenes.slope(depth, 0.6)
    found = find_sheet(scenes.levels(picture, 2))
    assert found is not None
    covered = scenes.on_table(np.ones_like(picture), degrees, table=0) > 0
    assert covered[found > 0].all()
    assert found.sum() > 0.75 * covered.sum()


def test_bar_is_not_a_sheet() -> None:
    picture = np.full((200, 100), 255, np.uint8)
    picture[20:180, 35:65] = 0
    assert find_sheet(picture) is None


def quadrilateral(*corners: tuple[int, int]) -> npt.NDArray[np.uint8]:
    mask = np.zeros((120, 120), np.uint8)
    cv2.fillPoly(mask, [np.array(corners)], 1)
    return mask


def test_panels_are_areas_with_straight_sides() -> None:
    panel = quadrilateral((10, 20), (100, 10), (110, 90), (20, 100))
    assert is_panel(panel)
    panel[40:80, 50:60] = 0  # with something on it
    assert is_panel(panel)
    assert not is_panel(quadrilateral((50, 5), (70, 5), (70, 115), (50, 115)))  # a 1
    assert is_panel(quadrilateral((5, 50), (5, 70), (115, 70), (115, 50)))  # a button
    ring = quadrilateral((10, 10), (90, 10), (90, 110), (10, 110))
    ring[25:95, 25:75] = 0  # a 0 with corners
    assert not is_panel(ring)
    disc = np.zeros((120, 120), np.uint8)
    cv2.circle(disc, (60, 60), 45, 1, -1)
    assert not is_panel(disc)


def test_filled_area_continues_the_level_nearby() -> None:
    slope = np.tile(np.linspace(50, 250, 100), (80, 1)).astype(np.uint8)
    inside = np.zeros_like(slope)
    inside[20:60, 10:90] = 1
    filled, _ = without_ground(slope, inside)
    np.testing.assert_array_equal(filled[inside > 0], slope[inside > 0])
    np.testing.assert_allclose(filled[15, 20:80].astype(int), slope[15, 20:80], atol=25)


def in_hard_shadow(label: int, angle: float) -> tuple[Mask, npt.NDArray[np.uint8]]:
    """Return where a sheet is, and a picture of it on a table, with the edge of a shadow across both."""
    covered = scenes.on_table(np.ones((scenes.HEIGHT, scenes.WIDTH)), 10, table=0) > 0
    light = scenes.shadow(0.55, angle, 0.1) * scenes.slope(0.3, angle + 1)
    sheet = scenes.on_table(scenes.page(scenes.ink(label, left=0.55)), 10, table=0.35)
    return covered.view(np.uint8), scenes.levels(sheet * light, 2)


@DIGITS
@pytest.mark.parametrize("angle", [0.0, 2.1, 4.0])
def test_sheet_in_a_hard_shadow(label: int, angle: float) -> None:
    covered, picture = in_hard_shadow(label, angle)
    found = find_sheet(picture)
    assert found is not None
    assert covered[found > 0].all()
    assert found.sum() > 0.75 * covered.sum()


@DIGITS
@pytest.mark.parametrize("depth", [0.0, 0.6])
def test_no_sheet_without_other_ground(label: int, depth: float) -> None:
    page = scenes.page(scenes.ink(label))
    for light in (scenes.slope(depth, 2.0), scenes.shadow(depth, 0.2, 0.3)):
        assert find_sheet(scenes.levels(page * light, 2)) is None
