"""The short way for clear pictures: as the full set of readings, and only where nothing is in doubt."""

from contextlib import suppress

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.errors import NoDigit
from service.preprocessing import mnist_format
from service.preprocessing.clear import find_clear
from service.preprocessing.mnist_format import canonical_digit, centre, fit
from tests import scenes
from tests.service.preprocessing.test_mnist_format import likeness

Grey = npt.NDArray[np.uint8]


def drawn(label: int, **options: float) -> Grey:
    return scenes.levels(scenes.page(scenes.ink(label, **options)))


@pytest.mark.parametrize("polarity", ["dark", "light"])
@pytest.mark.parametrize("label", range(10))
def test_fast_path_agrees_with_all_readings(label: int, polarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = drawn(label) if polarity == "dark" else 255 - drawn(label)
    ink = find_clear(picture)
    assert ink is not None
    monkeypatch.setattr(mnist_format, "find_clear", lambda _: None)
    assert likeness(centre(fit(ink)), canonical_digit(picture)) > 0.97


@pytest.mark.parametrize("side", [16, 28, 90, 700])
def test_any_size_of_picture(side: int) -> None:
    picture = cv2.resize(drawn(3, size=0.6, stroke=0.1), (side * 4 // 3, side), interpolation=cv2.INTER_AREA)
    assert find_clear(np.asarray(picture, np.uint8)) is not None


@pytest.mark.parametrize(
    "picture",
    [
        drawn(3) // 4 + 150,
        scenes.levels(scenes.page(scenes.ink(3)) * scenes.slope(0.5, 1)),
        scenes.levels(scenes.page(scenes.ink(3)), noise=12),
        scenes.levels(scenes.page(np.maximum(scenes.ink(3), scenes.dust(40)))),
        scenes.levels(scenes.page(scenes.ink(3), paper=scenes.squares(36, 0.62))),
        scenes.levels(scenes.page(np.maximum(scenes.ink(3, left=0.2), scenes.ink(7, left=0.8)))),
        scenes.levels(scenes.on_table(scenes.page(scenes.ink(3)), 12)),
        cv2.rectangle(drawn(3), (100, 40), (400, 320), 50, 6),
        cv2.rectangle(np.full((200, 200), 220, np.uint8), (50, 60), (150, 140), 50, -1),
        np.full((200, 200), 220, np.uint8),
    ],
    ids=["faint", "slope", "noise", "dust", "squares", "two", "table", "box", "panel", "blank"],
)
def test_fast_path_declines_doubtful_pictures(picture: Grey) -> None:
    assert find_clear(picture) is None


def cut_out(label: int, times: int) -> Grey:
    """Return a digit of MNIST's weight cut out along its ink and enlarged."""
    small = cv2.resize(scenes.bitmap(scenes.ink(label, stroke=0.08), 20), None, fx=times, fy=times)
    rows, columns = np.nonzero(small > 60)
    return np.asarray(small[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], np.uint8)


@pytest.mark.parametrize("polarity", [0, 255])
@pytest.mark.parametrize("times", [3, 8])
@pytest.mark.parametrize("label", [0, 2, 3, 4, 6, 7, 8, 9])
def test_cut_out_tightly_is_as_with_a_margin(label: int, times: int, polarity: int) -> None:
    picture = cut_out(label, times) ^ np.uint8(polarity)
    margin = np.pad(picture, 5 * times, constant_values=polarity)
    assert likeness(canonical_digit(picture), canonical_digit(margin)) > 0.97


@pytest.mark.parametrize("side", [40, 48, 200])
@pytest.mark.parametrize("polarity", [0, 255])
def test_stroke_along_the_edge_is_kept(side: int, polarity: int) -> None:
    pen = side // 10
    picture = np.zeros((side, side), np.uint8)
    cv2.line(picture, (side - 1 - pen // 2, pen // 2), (side * 2 // 5, side - 1), 255, pen)
    picture[:pen] = 255
    margin = np.pad(picture, side // 5)
    assert likeness(canonical_digit(picture ^ np.uint8(polarity)), canonical_digit(margin)) > 0.97


@pytest.mark.parametrize("sides", ["l", "lb", "tblr"])
def test_dark_edge_of_a_scan_is_not_a_figure(sides: str) -> None:
    page = np.full((200, 160), 230, np.uint8)
    for side, part in {"t": np.s_[:12], "b": np.s_[-12:], "l": np.s_[:, :12], "r": np.s_[:, -12:]}.items():
        page[part] = 20 if side in sides else page[part]
    assert find_clear(page) is None


@pytest.mark.parametrize("shape", [(900, 4), (900, 5), (4, 900), (5, 1200), (3000, 7)])
def test_a_block_of_ink_in_a_very_long_picture_is_answered(shape: tuple[int, int]) -> None:
    height, width = shape
    grey = np.full(shape, 200, np.uint8)
    grey[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = 30
    with suppress(NoDigit):
        canonical_digit(grey)
