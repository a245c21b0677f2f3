"""The canonical form: what MNIST's own description says of it, on pictures drawn by code."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from service.canonical import BOX_SIDE, canonical_digit, centre, crop, fit, in_mnist_form, ink_on_black, shrink
from service.errors import NoDigit
from tests import drawing

Array = npt.NDArray[np.uint8]


def grey(image: Image.Image) -> Array:
    return np.asarray(image)


def middle(digit: Array) -> tuple[float, float]:
    """Return the centre of mass of an image, as (row, column)."""
    mass = digit.astype(float)
    places = np.arange(28)
    return float(mass.sum(1) @ places / mass.sum()), float(mass.sum(0) @ places / mass.sum())


def difference(one: Array, other: Array) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("label", range(10))
def test_form_is_that_of_mnist(label: int) -> None:
    digit = canonical_digit(grey(drawing.digit(label)))
    assert (digit.shape, digit.dtype, digit.max()) == ((28, 28), np.uint8, 255)
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX_SIDE
    assert all(abs(where - 14) <= 0.51 for where in middle(digit))  # as in MNIST's own training images


@pytest.mark.parametrize("label", range(10))
def test_canonical_form_comes_back_as_it_is(label: int) -> None:
    digit = canonical_digit(grey(drawing.digit(label)))
    np.testing.assert_array_equal(canonical_digit(digit), digit)
    np.testing.assert_array_equal(canonical_digit(255 - digit), digit)


@pytest.mark.parametrize("label", range(10))
def test_polarity_does_not_matter(label: int) -> None:
    picture = grey(drawing.digit(label))
    np.testing.assert_array_equal(canonical_digit(255 - picture), canonical_digit(picture))


@pytest.mark.parametrize("place", [(0, 0), (300, 20), (40, 310)])
def test_place_does_not_matter(place: tuple[int, int]) -> None:
    page = Image.new("L", (460, 460), 255)
    page.paste(drawing.digit(5), place)
    np.testing.assert_array_equal(canonical_digit(grey(page)), canonical_digit(grey(drawing.digit(5))))


@pytest.mark.parametrize("size", [40, 160, 1200])
def test_size_hardly_matters(size: int) -> None:
    found = canonical_digit(grey(drawing.digit(3, side=int(size * 1.5), size=size)))
    same, *others = (difference(found, canonical_digit(grey(drawing.digit(label)))) for label in (3, 5, 8, 9))
    assert same < min(others) / 2


@pytest.mark.parametrize(("ink", "paper"), [(90, 200), (60, 20), (120, 160), (0, 30)])
def test_contrast_does_not_matter(ink: int, paper: int) -> None:
    faint = canonical_digit(grey(drawing.digit(8, ink=ink, paper=paper)))
    assert difference(faint, canonical_digit(grey(drawing.digit(8)))) < 3


def test_noise_of_the_paper_does_not_matter() -> None:
    noise = np.random.default_rng(1).normal(0, 12, (120, 120))
    noisy = np.clip(grey(drawing.digit(2, ink=60, paper=190)) + noise, 0, 255).astype(np.uint8)
    assert difference(canonical_digit(noisy), canonical_digit(grey(drawing.digit(2)))) < 4


def test_aspect_ratio_is_kept() -> None:
    image = Image.new("L", (100, 200), 255)
    ImageDraw.Draw(image).rectangle((40, 20, 59, 179), fill=0)
    columns = np.flatnonzero(canonical_digit(grey(image)).any(axis=0))
    assert np.ptp(columns) + 1 in (2, 3)  # 20 x 160 pixels become 2.5 x 20


def test_thin_lines_are_not_lost() -> None:
    image = Image.new("L", (900, 900), 255)
    ImageDraw.Draw(image).ellipse((100, 100, 800, 800), outline=0, width=2)
    assert canonical_digit(grey(image)).max() == 255


def test_digit_that_touches_the_border() -> None:
    picture = grey(drawing.digit(0))
    tight = picture[np.ix_((picture < 128).any(axis=1), (picture < 128).any(axis=0))]
    assert difference(canonical_digit(tight), canonical_digit(picture)) < 6


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 40), (1, 5000)])
def test_blank(shape: tuple[int, int], level: int) -> None:
    with pytest.raises(NoDigit, match="blank or too faint"):
        canonical_digit(np.full(shape, level, np.uint8))


def test_nothing_but_noise() -> None:
    with pytest.raises(NoDigit):
        canonical_digit(np.random.default_rng(2).normal(128, 4, (200, 200)).astype(np.uint8))


def test_speck() -> None:
    picture = np.full((100, 100), 255, np.uint8)
    picture[40:42, 60:62] = 0
    with pytest.raises(NoDigit, match="speck"):
        canonical_digit(picture)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (2, 2), (7, 2000), (2000, 7), (28, 28), (50, 50)])
def test_any_picture_gives_a_digit_or_none(shape: tuple[int, int]) -> None:
    for seed in range(20):
        picture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        try:
            digit = canonical_digit(picture)
        except NoDigit:
            continue
        assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)


def test_input_is_left_alone() -> None:
    picture = grey(drawing.digit(6)).copy()
    canonical_digit(picture)
    np.testing.assert_array_equal(picture, grey(drawing.digit(6)))


def test_shrink_averages() -> None:
    picture = np.tile(np.array([[0, 200], [100, 100]], np.uint8), (600, 600))
    np.testing.assert_array_equal(shrink(picture), np.full((600, 600), 100))
    assert shrink(picture[:700, :700]).shape == (700, 700)


def test_ink_on_black_measures_from_the_background() -> None:
    assert ink_on_black(np.array([[200, 200, 200], [200, 50, 201]], np.uint8)).tolist() == [[0, 0, 0], [0, 150, 0]]
    assert ink_on_black(np.array([[10, 10, 10], [10, 250, 9]], np.uint8)).tolist() == [[0, 0, 0], [0, 240, 0]]


def test_form_of_mnist_is_recognised_by_size_place_and_ink() -> None:
    digit = canonical_digit(grey(drawing.digit(4)))
    assert in_mnist_form(digit)
    assert not in_mnist_form(np.roll(digit, 2, axis=0))
    assert not in_mnist_form(digit // 2)
    assert not in_mnist_form(np.pad(digit, 1))
    assert not in_mnist_form(np.zeros((28, 28), np.uint8))


def test_crop_is_tight() -> None:
    ink = np.zeros((9, 9), np.float32)
    ink[2:6, 3:5] = 1
    assert crop(ink).shape == (4, 2)


def test_fit_scales_the_longer_side_and_restores_full_ink() -> None:
    fitted = fit(np.full((40, 10), 0.5, np.float32))
    assert fitted.shape == (20, 5)
    assert fitted.max() == 1


def test_centre_stays_inside_however_lopsided() -> None:
    ink = np.zeros((20, 20), np.float32)
    ink[0], ink[-1, -1] = 1, 0.01
    assert centre(ink).sum() == pytest.approx(255 * 20 + 3, abs=1)
