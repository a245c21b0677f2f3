"""The drawn conditions: each is what its name says, the same every time, and leaves the digit readable."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from benchmarks.pictures import files, letters, plan, strokes, trace
from benchmarks.pictures.cells import BASE, Cell
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.forms import FORMS
from benchmarks.pictures.look import picture_of, picture_of_ink
from benchmarks.pictures.nondigits import NUMBERS, non_digits
from benchmarks.pictures.sources import FONT_DIGITS, MNIST, sources

Pixels = npt.NDArray[np.uint8]

LARGE = 2000  # pixels a side: a picture that takes long to draw
SMALL_CELLS = [cell for cell in cells() if cell.look.side[1] < LARGE]


def random(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def digit(character: str = "5") -> Pixels:
    """Return a printed digit in MNIST's form."""
    glyph = letters.glyph("DejaVu-Sans", character, 20)
    image = np.zeros((28, 28), np.uint8)
    left = 14 - glyph.shape[1] // 2
    image[4 : 4 + glyph.shape[0], left : left + glyph.shape[1]] = np.round(glyph * 255)
    return image


def item_of(source: str) -> object:
    """Return something that the source draws."""
    if source in non_digits():
        return non_digits()[source].items[0]
    if source in NUMBERS:
        length, gap, _ = NUMBERS[source]
        return [digit("7")] * length, gap
    if source in FORMS:
        return source
    return ("DejaVu-Sans", "3") if source == FONT_DIGITS else digit()


def shown(content: bytes) -> Pixels:
    """Return what there is to see in a file as grey levels: the opacity, where it is transparent."""
    with Image.open(BytesIO(content)) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema() != (255, 255):
            return np.asarray(image.getchannel("A"))
        if image.mode.startswith("I"):
            return (np.asarray(image) // 257).astype(np.uint8)
        return np.asarray(image.convert("L"))


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def cell(name: str) -> Cell:
    return next(cell for cell in cells() if cell.name == name)


@pytest.mark.parametrize("name", [name for name in sources() if name not in {c.name for c in cells()}])
def test_drawings_are_determined_by_the_seed(name: str) -> None:
    source, item = sources()[name], item_of(name)
    assert source(item, random()) == source(item, random())


@pytest.mark.parametrize("cell", SMALL_CELLS, ids=lambda cell: cell.name)
def test_conditions_leave_the_digit_readable(cell: Cell) -> None:
    def ink(height: float) -> strokes.Ink:
        if cell.look.pen is None:
            return strokes.grown(digit(), height)
        return strokes.penned(trace.traced(digit()), height, max(1, cell.look.pen[0] * height))

    # The same picture with and without ink: what differs is the digit.
    def difference(seed: int) -> npt.NDArray[np.int64]:
        with_ink = shown(picture_of_ink(cell.look, ink, random(seed)))
        without = shown(picture_of_ink(cell.look, lambda height: 0 * ink(height), random(seed)))
        return np.abs(with_ink.astype(int) - without)

    assert picture_of(cell.look, digit(), random(1)) == picture_of(cell.look, digit(), random(1))
    contrast = difference(1)
    assert contrast.max() >= (12 if cell.counted else 4)
    rows = np.flatnonzero((contrast > contrast.max() / 2).any(axis=1))
    least = 0.5 * cell.look.height[0] * len(contrast)  # a wide digit in a narrow frame is drawn smaller
    assert rows.max() - rows.min() + 1 >= least


@pytest.mark.parametrize("side", [28, 300])
def test_wide_ink_is_drawn_smaller_and_not_cut_off(side: int) -> None:
    wide = np.zeros((28, 28), np.uint8)
    wide[12:16, 4:24] = 255
    look = replace(BASE, side=(side, side), aspect=(1, 1), height=(0.95, 0.95), margin=0, pen=None, vary=0, noise=0)
    picture = shown(picture_of(look, wide, random()))
    ink = picture < picture[0, 0] - 100
    assert ink.any(axis=0).mean() > 0.7
    assert not ink[:, [0, -1]].any()


def test_names_are_unique() -> None:
    names = [cell.name for cell in cells()]
    others = [*non_digits(), *NUMBERS, *FORMS, FONT_DIGITS, MNIST]
    assert len(set(names + others)) == len(names + others)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_condition_uses_its_named_mode(mode: str) -> None:
    assert opened(picture_of(cell(f"mode/{mode}").look, digit(), random())).mode == mode


@pytest.mark.parametrize(
    ("strength", "format", "sign"),
    [
        ("PNG", "PNG", lambda image: "interlace" not in image.info),
        ("interlaced PNG", "PNG", lambda image: image.info["interlace"] == 1),
        ("JPEG", "JPEG", lambda image: "progressive" not in image.info),
        ("progressive JPEG", "JPEG", lambda image: image.info["progressive"]),
        ("GIF", "GIF", lambda image: not image.is_animated),
        ("animated GIF", "GIF", lambda image: image.is_animated),
        ("BMP", "BMP", lambda _: True),
        ("WebP", "WEBP", lambda image: not image.is_animated),
        ("animated WebP", "WEBP", lambda image: image.is_animated),
        ("lossless WebP", "WEBP", lambda _: True),
    ],
)
def test_condition_uses_its_named_format(strength: str, format: str, sign: Callable[[Image.Image], bool]) -> None:
    image = opened(picture_of(cell(f"format/{strength}").look, digit(), random()))
    assert image.format == format
    assert sign(image)


def test_interlacing_keeps_the_pixels() -> None:
    pixels = random().integers(0, 256, (13, 21), np.uint8)
    assert np.array_equal(np.asarray(opened(files.interlaced_png(pixels))), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_the_stored_pixels_upright(orientation: int) -> None:
    pixels = random().integers(0, 256, (13, 21), np.uint8)
    image = opened(files.turned(orientation, "PNG")(pixels))
    assert image.getexif()[0x0112] == orientation
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), pixels)


@pytest.mark.parametrize("side", [8, 12, 16, 20, 28, 40, 64, 128])
def test_condition_uses_its_named_size(side: int) -> None:
    assert opened(picture_of(cell(f"size/{side} x {side}").look, digit(), random())).size == (side, side)


def test_condition_uses_its_named_large_size() -> None:
    look = cell("size/4000 x 3000").look
    assert look.side == (4000, 4000)
    assert opened(picture_of(replace(look, side=(400, 400)), digit(), random())).size == (400, 300)


@pytest.mark.parametrize("level", [0, 255])
def test_transparent_ink_has_one_colour(level: int) -> None:
    pixels = np.asarray(opened(files.ink_on_transparent((level,) * 3)(digit())))
    assert (pixels[..., :3] == level).all()
    assert np.array_equal(pixels[..., 3], 255 - digit())


def test_digit_grows_to_the_height_asked_for() -> None:
    for height in (10, 20, 97, 300):
        assert strokes.grown(digit(), height).shape[0] == pytest.approx(1.1 * height, abs=2 + 0.01 * height)


@pytest.mark.parametrize("width", [2, 5, 15])
def test_pen_is_as_wide_as_asked_for(width: int) -> None:
    ink = strokes.penned((np.array([(0.0, 0.0), (0.0, 1.0)]),), 100, width)
    assert np.median(ink.sum(axis=1)) == pytest.approx(width, abs=1)
    assert ink.shape[0] == pytest.approx(100, abs=4)


@pytest.mark.parametrize(("character", "holes"), [("0", 1), ("6", 1), ("8", 2), ("3", 0), ("7", 0)])
def test_traced_lines_have_the_loops_of_the_digit(character: str, holes: int) -> None:
    assert trace.faithful(digit(character), loops=holes)
    assert not trace.faithful(digit(character), loops=holes + 1)


def test_blotted_loop_cannot_be_traced() -> None:
    blotted = digit("6")
    blotted[13:24, 9:20] = 255
    assert not trace.faithful(blotted)


def test_merged_lines_are_not_a_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = (*trace.traced(digit("7")), np.array([(10.0, 6.0), (10.0, 20.0), (18.0, 6.0), (10.0, 6.0)]))
    assert trace.faithful(digit("7"))
    monkeypatch.setattr(trace, "traced", lambda _: closed)
    assert not trace.faithful(digit("7"))


def test_letters_either_resemble_a_digit_or_not() -> None:
    unlike = letters.UNLIKE_LETTERS + letters.UNLIKE_SYMBOLS
    assert not set(unlike) & set(letters.resembling())
    assert not set(unlike + letters.resembling()) & set(letters.DIGITS)
    assert {character for _, character in letters.characters(unlike)} == set(unlike)


def test_same_name_draws_the_same_digits_and_each_label_as_often() -> None:
    images = np.stack([digit(str(number % 10)) for number in range(400)])
    digits = plan.Digits(images, np.arange(400) % 10, seed=3)
    first, labels = digits.sample("blur", 25, pen=True)
    assert np.array_equal(first, digits.sample("blur", 25, pen=True)[0])
    assert not np.array_equal(labels, digits.sample("noise", 25, pen=True)[1])
    assert np.bincount(labels).tolist() == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]
