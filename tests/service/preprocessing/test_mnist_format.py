"""The canonical form: what MNIST's own description says of it, on pictures drawn by code."""

from functools import cache
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from service.errors import NoDigit, RequestError, SeveralDigits
from service.preprocessing.bitmap import unmagnified, without_bars
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
def test_form_is_that_of_mnist(label: int) -> None:
    digit = canonical_digit(grey(drawing.digit(label)))
    assert (digit.shape, digit.dtype, digit.max()) == ((28, 28), np.uint8, 255)
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == BOX_SIDE
    assert all(abs(where - 14) <= 0.51 for where in middle(digit))  # as in MNIST's own training images


@pytest.mark.parametrize("label", range(10))
def test_canonical_form_is_unchanged(label: int) -> None:
    digit = canonical_digit(grey(drawing.digit(label)))
    np.testing.assert_array_equal(canonical_digit(digit), digit)
    np.testing.assert_array_equal(canonical_digit(255 - digit), digit)


@pytest.mark.parametrize("label", range(10))
def test_polarity_does_not_matter(label: int) -> None:
    picture = grey(drawing.digit(label))
    assert difference(canonical_digit(255 - picture), canonical_digit(picture)) < 1


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


def test_nothing_but_noise() -> None:
    with pytest.raises(NoDigit):
        canonical_digit(np.random.default_rng(2).normal(128, 4, (200, 200)).astype(np.uint8))


def test_speck() -> None:
    picture = np.full((100, 100), 255, np.uint8)
    picture[40:42, 60:62] = 0
    with pytest.raises(NoDigit, match="send one digit"):
        canonical_digit(picture)


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


def test_magnified_bitmap_is_the_bitmap() -> None:
    bitmap = scenes.bitmap(scenes.ink(6), 16)
    np.testing.assert_array_equal(unmagnified(np.kron(bitmap, np.ones((9, 9), np.uint8))), bitmap)
    picture = scenes.levels(scenes.page(scenes.ink(6)))
    assert unmagnified(picture) is picture


@pytest.mark.parametrize("side", [8, 12, 16, 40, 100])
def test_small_noise_is_not_a_digit(side: int) -> None:
    for seed in range(20):
        with pytest.raises(NoDigit):
            canonical_digit(np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8))


def test_empty_sheet_on_a_table() -> None:
    for degrees in (0, 12):
        empty = scenes.on_table(scenes.page(np.zeros((scenes.HEIGHT, scenes.WIDTH))), degrees) * scenes.slope(0.5, 1)
        with pytest.raises(NoDigit):
            canonical_digit(scenes.levels(empty, 2))


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


@pytest.mark.parametrize(
    "light", [np.ones((400, 400)), 1 - 0.6 * COLUMNS, np.where(COLUMNS + COLUMNS.T < 0.8, 0.6, 1.0)]
)
@pytest.mark.parametrize("noise", [0, 4])
def test_paper_with_nothing_on_it(light: npt.NDArray[np.float64], noise: float) -> None:
    paper = 220 * light + np.random.default_rng(3).normal(0, noise, light.shape)
    with pytest.raises(NoDigit):
        canonical_digit(paper.astype(np.uint8))


@pytest.mark.parametrize("noise", [0, 4])
def test_ruled_paper_with_nothing_on_it(noise: float) -> None:
    paper = np.full((400, 400), 220.0)
    paper[20::40] *= 0.6
    with pytest.raises(NoDigit):
        canonical_digit((paper + np.random.default_rng(3).normal(0, noise, paper.shape)).astype(np.uint8))


def test_filled_disc_is_not_a_digit() -> None:
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).ellipse((50, 50, 150, 150), fill=0)
    with pytest.raises(NoDigit):
        canonical_digit(grey(image))


def line_drawing(side: int) -> npt.NDArray[np.uint8]:
    """Return a 9 drawn with a pen of one pixel, of 0 and 255."""
    bitmap = np.zeros((side, side), np.uint8)
    cv2.circle(bitmap, (side // 2, side // 3), side // 4, 255, 1)
    cv2.line(bitmap, (side // 2 + side // 4, side // 3), (side // 2, side - 2), 255, 1)
    return bitmap


@pytest.mark.parametrize("side", [16, 24, 32])
@pytest.mark.parametrize("times", [1, 5])
def test_a_one_pixel_line_is_not_noise(side: int, times: int) -> None:
    bitmap = np.kron(line_drawing(side), np.ones((times, times), np.uint8))
    for polarity in (bitmap, 255 - bitmap):
        assert np.count_nonzero(canonical_digit(polarity)) > 60


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_dots_anywhere_are_noise(share: float) -> None:
    for seed in range(20):
        dots = np.random.default_rng(seed).random((32, 32)) < share
        with pytest.raises(NoDigit):
            canonical_digit((dots * 255).astype(np.uint8))


def test_a_bold_bar_in_a_bitmap_is_a_1() -> None:
    bar = np.zeros((32, 32), np.uint8)
    bar[1:31, 8:23] = 255
    bar[1:31:3, 8] = 0
    assert np.count_nonzero(canonical_digit(bar)) > 60


def test_a_square_in_a_bitmap_is_not_a_digit() -> None:
    square = np.zeros((32, 32), np.uint8)
    square[6:26, 6:26] = 255
    with pytest.raises(NoDigit):
        canonical_digit(square)


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


@pytest.mark.parametrize("share", [0.0, 0.08])
def test_a_line_with_gaps_is_not_noise(share: float) -> None:
    line = line_drawing(28)
    line[np.random.default_rng(2).random(line.shape) < share] = 0
    for polarity in (line, 255 - line):
        assert np.count_nonzero(canonical_digit(polarity)) > 60


def test_two_digits_in_a_bitmap_are_several() -> None:
    both = np.maximum(scenes.ink(3, left=0.3, stroke=0.09), scenes.ink(4, left=0.85, stroke=0.09))
    bitmap = cv2.resize((both[60:300, 80:440] * 255).astype(np.uint8), (28, 19), interpolation=cv2.INTER_AREA)
    with pytest.raises(SeveralDigits):
        canonical_digit(np.pad(bitmap, ((4, 5), (0, 0))))
