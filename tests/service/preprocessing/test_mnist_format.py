"""The canonical form: what MNIST's own description says of it, on pictures drawn by code."""

from functools import cache
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from service.errors import NoDigit, RequestError, SeveralDigits
from service.preprocessing.illumination import working_copy
from service.preprocessing.mnist_format import (
    BOX_SIDE,
    canonical_digit,
    centre,
    fit,
    in_mnist_form,
    ink_on_black,
    stroke_width,
)
from tests import drawing, scenes

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
def test_form_is_that_of_mnist_in_either_polarity(label: int) -> None:
    picture = grey(drawing.digit(label))
    digit = canonical_digit(picture)
    assert (digit.shape, digit.dtype, digit.max()) == ((28, 28), np.uint8, 255)
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX_SIDE
    assert all(abs(where - 14) <= 0.51 for where in middle(digit))  # as in MNIST's own training images
    assert difference(canonical_digit(255 - picture), digit) < 1
    for again in (digit, 255 - digit):
        np.testing.assert_array_equal(canonical_digit(again), digit)


@pytest.mark.parametrize("place", [(0, 0), (300, 20), (40, 310)])
def test_place_does_not_matter(place: tuple[int, int]) -> None:
    sheet = Image.new("L", (460, 460), 255)
    sheet.paste(drawing.digit(5), place)
    assert likeness(canonical_digit(grey(sheet)), canonical_digit(grey(drawing.digit(5)))) > 0.95


@pytest.mark.parametrize("size", [40, 160, 1200])
def test_size_hardly_matters(size: int) -> None:
    found = canonical_digit(grey(drawing.digit(3, side=int(size * 1.5), size=size)))
    same, *others = (likeness(found, canonical_digit(grey(drawing.digit(label)))) for label in (3, 5, 8, 9))
    assert same > 0.9
    assert same > max(others) + 0.05


@pytest.mark.parametrize(("ink", "paper"), [(90, 200), (60, 20), (120, 160), (0, 30)])
def test_contrast_does_not_matter(ink: int, paper: int) -> None:
    faint = canonical_digit(grey(drawing.digit(8, ink=ink, paper=paper)))
    assert difference(faint, canonical_digit(grey(drawing.digit(8)))) < 3


def test_paper_noise_does_not_matter() -> None:
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
@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 40), (1, 5000), (3, 3)])
def test_blank(shape: tuple[int, int], level: int) -> None:
    with pytest.raises(NoDigit, match="send one digit"):
        canonical_digit(np.full(shape, level, np.uint8))


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (2, 2), (7, 2000), (2000, 7), (28, 28), (50, 50)])
def test_any_picture_gives_a_digit_or_no_digit(shape: tuple[int, int]) -> None:
    for seed in range(20):
        picture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        try:
            digit = canonical_digit(picture)
        except RequestError:
            continue
        assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)


def test_input_is_not_modified() -> None:
    picture = grey(drawing.digit(6)).copy()
    canonical_digit(picture)
    np.testing.assert_array_equal(picture, grey(drawing.digit(6)))


def test_working_copy_averages_what_is_large_and_enlarges_what_is_small() -> None:
    picture = np.tile(np.array([[0, 200], [100, 100]], np.uint8), (512, 512))
    np.testing.assert_array_equal(working_copy(picture), np.full((256, 256), 100))
    assert working_copy(picture[:8, :6]).shape == (128, 96)
    assert working_copy(picture[:200, :150]).shape == (200, 150)


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


def bar(width: int, height: int = 200) -> npt.NDArray[np.float32]:
    ink = np.zeros((height + 2, width + 2), np.float32)
    ink[1:-1, 1:-1] = 1
    return ink


def test_fit_scales_the_longer_side_and_restores_full_ink() -> None:
    fitted = fit(bar(60) / 2)
    assert fitted.shape[0] == BOX_SIDE
    assert fitted.max() == 1


@pytest.mark.parametrize(("width", "columns"), [(4, (2, 3)), (20, (2, 3)), (30, (3, 4)), (60, (3, 5))])
def test_fit_gives_strokes_the_weight_of_mnist(width: int, columns: tuple[int, int]) -> None:
    assert columns[0] <= fit(bar(width)).shape[1] <= columns[1]


def test_stroke_width_is_that_of_a_bar() -> None:
    assert stroke_width(bar(9)) == pytest.approx(9, abs=1.5)


def test_centre_stays_inside_however_lopsided() -> None:
    ink = np.zeros((20, 20), np.float32)
    ink[0], ink[-1, -1] = 1, 0.01
    assert centre(ink).sum() == pytest.approx(255 * 20 + 3, abs=1)


@pytest.mark.parametrize("label", range(10))
@pytest.mark.parametrize("name", scenes.CONDITIONS)
def test_conditions_of_the_documentation(name: str, label: int) -> None:
    written = canonical_digit(scenes.levels(scenes.page(scenes.ink(label))))
    assert likeness(canonical_digit(scenes.CONDITIONS[name](label)), written) > 0.7


@pytest.mark.parametrize(("label", "seed"), [(0, 0), (8, 18), (6, 36)])
def test_what_lies_beside_a_sheet_is_no_digit(label: int, seed: int) -> None:
    room = scenes.in_a_room(scenes.ink(label, size=0.45), seed)
    alone = canonical_digit(scenes.levels(scenes.page(scenes.ink(label, size=0.45))))
    assert likeness(canonical_digit(scenes.levels(room, 4)), alone) > 0.7


def test_several_digits_in_uneven_light() -> None:
    both = np.maximum(scenes.ink(3, left=0.2), scenes.ink(7, left=0.75))
    with pytest.raises(SeveralDigits):
        canonical_digit(scenes.levels(scenes.page(both) * scenes.slope(0.6, 0.5), 2))


def page(label: int, side: int = 400) -> npt.NDArray[np.float64]:
    """Return a sheet with a digit on it, as light that it reflects: float64 [side, side], 0 to 1."""
    return grey(drawing.digit(label, side=side, size=side * 0.6, ink=40, paper=230)) / 255.0


def likeness(one: Array, other: Array) -> float:
    """Return the correlation of two images, blurred and moved by at most a pixel, whichever way fits best."""
    blurred, still = (cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.2) for image in (one, other))
    moves = [np.roll(blurred, move, (0, 1)) for move in product((-1, 0, 1), repeat=2)]
    return max(float(np.corrcoef(moved.ravel(), still.ravel())[0, 1]) for moved in moves)


def seen_as(picture: npt.NDArray[np.float64], label: int) -> bool:
    """Tell whether the canonical form of a picture is most like that of the same digit alone, and much like it."""
    found = canonical_digit(np.clip(picture * 255, 0, 255).astype(np.uint8))
    likenesses = [likeness(found, form) for form in printed_forms()]
    return int(np.argmax(likenesses)) == label and likenesses[label] > 0.8


@cache
def printed_forms() -> list[Array]:
    return [canonical_digit(grey(drawing.digit(label, side=400, size=240))) for label in range(10)]


LABELS = pytest.mark.parametrize("label", range(10))
COLUMNS = np.broadcast_to(np.arange(400) / 400, (400, 400))


@LABELS
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("darkness", [0.3, 0.6])
def test_ruled_paper(label: int, squared: bool, darkness: float) -> None:
    picture = page(label)
    lines = np.zeros((400, 400), bool)
    lines[20::40] = lines[21::40] = True
    if squared:
        lines |= lines.T
    assert seen_as(np.minimum(picture, np.where(lines, 0.9 * (1 - darkness), 1.0)), label)


@LABELS
@pytest.mark.parametrize("widths", [(40, 40, 40, 40), (0, 0, 90, 90), (0, 120, 0, 0)])
def test_dark_frame(label: int, widths: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = widths
    assert seen_as(np.pad(page(label), ((top, bottom), (left, right)), constant_values=0.1), label)


def test_broken_strokes_stay_together() -> None:
    picture = page(7)
    picture[195:203] = 230 / 255
    assert seen_as(picture, 7)


@pytest.mark.parametrize("text", ["12", "4 7", "305"])
def test_several_digits(text: str) -> None:
    image = Image.new("L", (500, 300), 255)
    ImageDraw.Draw(image).text((250, 150), text, fill=0, font=drawing.font(140), anchor="mm")
    with pytest.raises(SeveralDigits, match="one digit at a time"):
        canonical_digit(grey(image))


def noisy(paper: npt.NDArray[np.float64], noise: float) -> Array:
    return (paper + np.random.default_rng(3).normal(0, noise, paper.shape)).astype(np.uint8)


def speck() -> Array:
    picture = np.full((100, 100), 255, np.uint8)
    picture[40:42, 60:62] = 0
    return picture


def on_a_table(degrees: float) -> Array:
    """Return an empty sheet on a table."""
    empty = scenes.on_table(scenes.page(np.zeros((scenes.HEIGHT, scenes.WIDTH))), degrees)
    return scenes.levels(empty * scenes.slope(0.5, 1), 2)


LIGHT = {
    "even": np.ones((400, 400)),
    "slope": 1 - 0.6 * COLUMNS,
    "shadow": np.where(COLUMNS + COLUMNS.T < 0.8, 0.6, 1.0),
    "ruled": np.where(np.arange(400)[:, None] % 40 == 20, 0.6, np.ones((400, 400))),
}
NOTHING = {
    **{f"{name}, noise {noise}": noisy(220 * light, noise) for name, light in LIGHT.items() for noise in (0, 4)},
    "noise": np.random.default_rng(2).normal(128, 4, (200, 200)).astype(np.uint8),
    "speck": speck(),
    "disc": cv2.circle(np.full((200, 200), 255, np.uint8), (100, 100), 50, 0, -1),
    "sheet on a table": on_a_table(0),
    "turned sheet on a table": on_a_table(12),
}


@pytest.mark.parametrize("name", NOTHING)
def test_picture_without_a_digit(name: str) -> None:
    with pytest.raises(NoDigit, match="send one digit"):
        canonical_digit(np.asarray(NOTHING[name]))
