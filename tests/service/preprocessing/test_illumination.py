"""The light on paper: told from ink where it is even, sloping, or cut by a shadow."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.illumination import EvenLight, Histogram, UnevenLight, components, median

Array = npt.NDArray[np.uint8]


def stroke(paper: npt.NDArray[np.float64], darkness: float = 0.3) -> Array:
    """Return paper of 120 x 160 pixels, in grey levels, with an upright stroke of 8 pixels on it."""
    picture = paper.copy()
    picture[30:90, 76:84] *= darkness
    return picture.astype(np.uint8)


FLAT = np.full((120, 160), 200.0)
SLOPE = np.tile(np.linspace(240, 80, 160), (120, 1))
SHADOW = np.where(np.arange(160)[None, :] + np.arange(120)[:, None] < 150, 220.0, 110.0)


def test_histogram_gives_quantiles_and_shares() -> None:
    values = np.arange(100, dtype=np.uint8).reshape(10, 10)
    histogram = Histogram(values)
    assert histogram.quantile(0.5) == pytest.approx(np.quantile(values, 0.5), abs=1)
    assert histogram.share_below(25) == 0.25
    assert median(values) == 49


def test_histogram_splits_two_classes_between_them() -> None:
    values = np.array([[10, 12, 11, 200, 202]], np.uint8)
    assert 12 <= Histogram(values).split() < 200


def test_even_light_has_the_level_of_the_paper_and_the_side_of_the_ink() -> None:
    assert EvenLight.of(stroke(FLAT)) == EvenLight(200, light_ink=False)
    assert EvenLight.of(255 - stroke(FLAT)) == EvenLight(55, light_ink=True)


@pytest.mark.parametrize("paper", [SLOPE, FLAT], ids=["slope", "blank"])
def test_light_is_not_even_on_a_slope_or_where_there_is_nothing_else(paper: npt.NDArray[np.float64]) -> None:
    assert EvenLight.of(paper.astype(np.uint8)) is None


def test_small_bitmaps_may_have_paper_of_many_levels() -> None:
    bitmap = np.array([[0, 60, 0, 40], [70, 250, 200, 0], [0, 255, 90, 30], [0, 240, 50, 0]], np.uint8)
    assert EvenLight.of(bitmap) is None
    light = EvenLight.of(bitmap, strict=False)
    assert light is not None
    assert light.light_ink


@pytest.mark.parametrize("paper", [FLAT, SLOPE, SHADOW], ids=["flat", "slope", "shadow"])
@pytest.mark.parametrize("light_ink", [False, True])
def test_strokes_stand_out_whatever_the_light(paper: npt.NDArray[np.float64], light_ink: bool) -> None:
    picture = stroke(paper)
    contrast = UnevenLight(20, light_ink).contrast(255 - picture if light_ink else picture)
    inside = contrast.levels[35:85, 78:82]
    assert inside.min() > 0.25 * inside.max()
    away = contrast.levels.copy()
    away[25:95, 70:90] = 0
    assert np.abs(away).mean() < 0.02 * inside.max()


def test_ink_in_half_the_light_counts_as_much() -> None:
    levels = UnevenLight(20, light_ink=False).contrast(stroke(SHADOW)).levels
    assert levels[32:60, 80].mean() == pytest.approx(levels[75:88, 80].mean(), rel=0.15)


def test_steps_are_where_strokes_end_and_not_where_they_are_too_wide_to_be_seen() -> None:
    picture = FLAT.copy()
    picture[20:100, 50:110] = 60
    whole = UnevenLight(80, light_ink=False).contrast(picture.astype(np.uint8)).steps()
    assert whole[60, 50] > 100
    assert whole[60, 80] == 0
    picture[20:100, 50:110] = 200
    picture[20:60, 70:80] = picture[60:100, 50:110] = 60  # a thin stroke that ends in a wide one
    part = UnevenLight(20, light_ink=False).contrast(picture.astype(np.uint8)).steps()
    assert part[40, 70] > 100
    assert part[60, 75] < 20


@pytest.mark.parametrize("inked", [0.02, 0.3, 0.7])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (64, 97)])
def test_components_are_those_of_cv2(shape: tuple[int, int], inked: float) -> None:
    mask = (np.random.default_rng(0).random(shape) < inked).astype(np.uint8)
    mask.flat[0], mask.flat[-1] = 0, shape != (1, 1)
    count, labels, statistics = components(mask)
    wanted = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_GRANA)
    assert (count, labels.dtype, statistics.dtype) == (wanted[0], np.int32, np.int32)
    assert np.array_equal(labels, wanted[1])
    assert np.array_equal(statistics[1:], wanted[2][1:])
    assert statistics[0].tolist() == [0, 0, *shape[::-1], mask.size - mask.sum()]
