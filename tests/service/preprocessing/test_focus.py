"""Little writing in a large picture is found and looked at from nearer."""

import cv2
import numpy as np
import pytest

from service.errors import NoDigit
from service.preprocessing.focus import focused
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit
from tests import scenes
from tests.service.preprocessing.test_mnist_format import likeness

HEIGHT, WIDTH = 900, 1200


def paper(level: int = 225) -> Grey:
    """A sheet in a slope of light, with the noise of a camera."""
    slope = np.linspace(0, 40, WIDTH)
    noise = np.random.default_rng(3).normal(0, 3, (HEIGHT, WIDTH))
    return np.clip(level - slope + noise, 0, 255).astype(np.uint8)


def written(label: int, height: int, *, left: int = 700, top: int = 500) -> Grey:
    """A page with one digit, `height` pixels high."""
    ink = scenes.ink(label)
    rows, columns = np.nonzero(ink > 0.1)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    size = max(1, round(ink.shape[1] * height / ink.shape[0])), height
    small = cv2.resize(ink.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    page = paper().astype(float)
    part = page[top : top + height, left : left + size[0]]
    part -= (part - 40) * small
    return page.astype(np.uint8)


@pytest.mark.parametrize("height", [20, 40, 60])
@pytest.mark.parametrize("label", [2, 4, 7])
def test_a_small_digit_on_a_large_page_is_read_as_a_large_one(label: int, height: int) -> None:
    assert likeness(canonical_digit(written(label, height)), canonical_digit(written(label, 300))) > 0.8


@pytest.mark.parametrize("polarity", [0, 255])
def test_the_part_holds_the_writing_and_little_else(polarity: int) -> None:
    page = written(4, 40) ^ np.uint8(polarity)
    part = focused(page)
    assert part is not None
    assert np.shares_memory(part, page)
    assert max(part.shape) < 240
    assert (np.abs(part.astype(int) - int(np.median(part))) > 100).any()


def test_there_is_no_part_in_an_empty_page_or_around_large_writing() -> None:
    assert focused(paper()) is None
    assert focused(written(4, 400, left=300, top=200)) is None
    with pytest.raises(NoDigit):
        canonical_digit(paper())


def test_writing_in_two_places_is_no_one_part() -> None:
    page = np.minimum(written(4, 40, left=100), written(2, 40, left=900))
    assert focused(page) is None


def on_a_table(slip: Grey, ground: int, side: int) -> Grey:
    """A slip of paper on a table, in a picture of 3:4 with that longer side."""
    noise = np.random.default_rng(4).normal(0, 4, (3 * side // 4, side))
    table = np.clip(ground + noise, 0, 255).astype(np.uint8)
    table[side // 8 : side // 8 + slip.shape[0], side // 2 : side // 2 + slip.shape[1]] = slip
    return table


@pytest.mark.parametrize("side", [400, 640, 1600])
@pytest.mark.parametrize("ground", [40, 150])
@pytest.mark.parametrize("label", [2, 6, 7])
def test_a_digit_on_a_small_slip_of_paper_is_read_as_on_a_page(label: int, ground: int, side: int) -> None:
    slip = written(label, 60)[470:570, 670:780]
    expected = canonical_digit(written(label, 300))
    assert likeness(canonical_digit(on_a_table(slip, ground, side)), expected) > 0.8
    assert likeness(canonical_digit(255 - on_a_table(slip, ground, side)), expected) > 0.8


@pytest.mark.parametrize("side", [400, 640, 1600])
@pytest.mark.parametrize("ground", [40, 150])
@pytest.mark.parametrize("aspect", [0.4, 0.8, 1.0, 1.6, 2.5])
def test_an_empty_slip_of_paper_is_no_digit(ground: int, side: int, aspect: float) -> None:
    slip = np.full((side // 6, int(side / 6 * aspect)), 230, np.uint8)
    picture = on_a_table(slip, ground, side)
    for each in (picture, 255 - picture):
        with pytest.raises(NoDigit):
            canonical_digit(each)


@pytest.mark.parametrize("radius", [40, 50, 60])
def test_a_ring_around_a_small_digit_is_not_the_figure_from_nearer(radius: int) -> None:
    page = written(4, 50)
    ringed = cv2.circle(page.copy(), (720, 525), radius, 40, 4, cv2.LINE_AA)[350:700, 500:950]
    assert likeness(canonical_digit(np.ascontiguousarray(ringed)), canonical_digit(written(4, 300))) > 0.8
