"""Pictures of numbers -> where their digits are, and hostile ones in bounded time."""

from contextlib import suppress
from dataclasses import replace
from time import process_time
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.errors import NoDigit, TooManyDigits
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit
from service.preprocessing.numbers.segment import Segmented, segment
from tests import drawing

SECONDS = 0.3  # on a quiet core; the machine may be busy
_BUSY = 5


def grey(*lines: str, **options: Any) -> Grey:
    return np.asarray(drawing.number(*lines, **options))


def figures(found: Segmented) -> list[list[list[int]]]:
    """Return the boxes of the pieces of each line that are as high as digits."""
    return [
        [found.in_picture(span.piece.box) for span in row.spans if span.piece.box.height > 0.5 * row.height]
        for row in found.rows
    ]


@pytest.mark.parametrize("degrees", [0, 12])
@pytest.mark.parametrize("ground", [40, 120, 180])
def test_figures_on_a_slip_of_paper_are_found_and_not_the_slip(ground: int, degrees: int) -> None:
    slip = Image.fromarray(grey("4027", ink=40, paper=225)).resize((300, 150))
    noise = np.random.default_rng(1).normal(ground, 4, (800, 1000))
    table = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    opaque = Image.new("L", slip.size, 255).rotate(degrees, expand=True)
    table.paste(slip.rotate(degrees, expand=True), (400, 300), opaque)
    [row] = figures(segment(np.asarray(table)))
    assert len(row) == 4


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (90, 200)])
def test_each_figure_is_found(ink: int, paper: int) -> None:
    [row] = figures(segment(grey("4027", ink=ink, paper=paper)))
    assert len(row) == 4
    assert row == sorted(row)


def test_one_blot_among_digits_hides_none_of_them() -> None:
    image = drawing.number("4027", gap=40)
    left, top, width, height = figures(segment(np.asarray(image)))[0][1]
    ImageDraw.Draw(image).ellipse((left, top, left + width, top + height), fill=0)
    assert len(figures(segment(np.asarray(image)))[0]) == 4


@pytest.mark.parametrize("size", [36, 48, 60])
def test_a_small_number_on_a_large_page_is_found(size: int) -> None:
    page = np.random.default_rng(1).normal(225, 3, (900, 1200))
    bold = np.ones((size // 7, size // 7), np.uint8)  # in a copy of bounded size it fills the loops
    number = cv2.erode(grey("4027", size=size, gap=size / 4), bold)
    height, width = number.shape
    page[500 : 500 + height, 300 : 300 + width] *= number / 255
    [row] = figures(segment(np.clip(page, 0, 255).astype(np.uint8)))
    assert len(row) == 4
    assert min(box[0] for box in row) > 300
    assert min(box[1] for box in row) > 500


def test_a_picture_of_one_figure_is_seen_as_a_single_digit_too() -> None:
    shown = np.arange(20, dtype=np.float32).reshape(2, 10)
    one, several = (segment(grey(text)) for text in ("4", "402"))
    assert np.array_equal(one.images[-1], canonical_digit(grey("4")))
    assert len(one.images) == len([found for row in one.rows for found in row.candidates]) + 1
    assert np.array_equal(one.as_single(shown), shown[-1])
    assert several.as_single(shown) is None
    none = replace(one, single=False).as_single(shown)
    assert none is not None
    assert not none.any()


def test_candidates_are_in_mnist_form() -> None:
    found = segment(grey("583"))
    assert found.images.dtype == np.uint8
    assert found.images.shape[1:] == (28, 28)
    for image in found.images:
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)


def test_digits_that_touch_are_parted_by_a_cut() -> None:
    apart = [box[2] for box in figures(segment(grey("50")))[0]]
    found = segment(grey("50", gap=-10))
    [row] = found.rows
    [span] = row.spans
    parts = [
        [found.in_picture(part.box)[2] for part in (left, right)]
        for left in row.candidates
        for right in row.candidates
        if (left.first, left.end, right.end) == (span.first, right.first, span.end)
    ]
    assert any(widths == pytest.approx(apart, abs=3) for widths in parts)


def test_boxes_of_a_larger_picture() -> None:
    small = np.asarray(drawing.number("583"))
    found, large = segment(small), segment(small, 3)
    assert figures(large)[0][0] == pytest.approx([3 * side for side in figures(found)[0][0]], abs=2)


def test_cells_of_a_form_and_an_underline_are_removed() -> None:
    image = drawing.number("4027", gap=40)
    plain = figures(segment(np.asarray(image)))
    draw = ImageDraw.Draw(image)
    step = round(drawing.font(80).getlength("0") + 40)
    for cell in range(4):
        draw.rectangle([40 + step * cell, 12, 40 + step * (cell + 1), 122], outline=60, width=3)
    draw.line([20, 150, 380, 152], fill=0, width=4)
    [row] = figures(segment(np.asarray(image)))
    assert [box[0] for box in row] == pytest.approx([box[0] for box in plain[0]], abs=4)


def test_a_shadow_over_half_of_it() -> None:
    picture = grey("4027").astype(float)
    picture[:, picture.shape[1] // 2 :] *= 0.5
    [row] = figures(segment(picture.astype(np.uint8)))
    assert len(row) == 4


def bars() -> Grey:
    """Two bars too thick for strokes."""
    picture = np.full((200, 400), 255, np.uint8)
    picture[50:150, 80:130] = picture[50:150, 250:300] = 0
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        bars(),
        np.full((300, 900), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (300, 900)).astype(np.uint8),
        np.tile(np.linspace(90, 240, 900).astype(np.uint8), (300, 1)),
    ],
    ids=["bars", "blank", "noise", "gradient"],
)
def test_nothing_to_read(picture: Grey) -> None:
    with pytest.raises(NoDigit):
        segment(picture)


def test_a_long_row_of_digits_that_touch_is_no_line() -> None:
    [row] = segment(grey("4027340253", gap=-14)).rows
    [span] = row.spans
    assert span.piece.box.width > 4 * span.piece.box.height
    assert len(row.candidates) > 8


def test_lines_alone_are_not_digits() -> None:
    picture = np.full((900, 1200), 255, np.uint8)
    for row in (200, 420, 650):
        picture[row : row + 14, 200:1000] = 0
    with pytest.raises(NoDigit):
        segment(picture)


def specks() -> Grey:
    picture = np.full((1000, 1000), 255, np.uint8)
    for row, column in np.random.default_rng(0).integers(0, 997, (10_000, 2)):
        picture[row : row + 3, column : column + 3] = 0
    return picture


def text() -> Grey:
    image = Image.new("L", (1000, 1400), 255)
    for top in range(30, 1370, 32):
        ImageDraw.Draw(image).text((30, top), "the quick brown fox jumps over the lazy dog " * 2, 0, drawing.font(24))
    return np.asarray(image)


def crossword() -> Grey:
    image, random = Image.new("L", (1000, 1000), 255), np.random.default_rng(0)
    draw = ImageDraw.Draw(image)
    for left in range(0, 1000, 50):
        draw.line([left, 0, left, 1000], 0, 3)
        draw.line([0, left, 1000, left], 0, 3)
        for top in range(0, 1000, 50):
            letter = chr(65 + int(random.integers(26)))
            draw.text((left + 25, top + 25), letter, 0, drawing.font(30), anchor="mm")
    return np.asarray(image)


def chequered() -> Grey:
    return np.asarray(np.indices((135, 516)).sum(axis=0) // 7 % 2 * 255, np.uint8)


@pytest.mark.parametrize("make", [specks, text, crossword, chequered, lambda: grey(*["4071" * 8] * 16, size=40)])
def test_hostile_pictures_end_soon(make: Any) -> None:
    picture = make()
    started = process_time()
    with suppress(NoDigit, TooManyDigits):
        assert len(segment(picture).images) <= 600
    assert process_time() - started < _BUSY * SECONDS
