"""The one figure in a picture: what belongs to it, what does not, and how surely it is strokes."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from service.preprocessing.binarize import to_ink
from service.preprocessing.box import Box
from service.preprocessing.illumination import EvenLight, UnevenLight
from service.preprocessing.segment import Figure, find_figure

Grey = npt.NDArray[np.uint8]
Line = Sequence[tuple[int, int]]

FOUR: tuple[Line, ...] = (((90, 40), (70, 110), (140, 110)), ((125, 60), (120, 160)))
FIVE: tuple[Line, ...] = (((80, 45), (78, 95), (110, 92), (125, 120), (105, 155), (70, 150)), ((95, 42), (130, 38)))


def picture(*strokes: Line, thickness: int = 8) -> Grey:
    """Return a picture of 200 x 240 pixels with strokes on white paper."""
    paper = np.full((200, 240), 255, np.uint8)
    for stroke in strokes:
        cv2.polylines(paper, [np.array(stroke)], False, 30, thickness, cv2.LINE_AA)
    return paper


def found(grey: Grey, *, widest: int | None = None, light_ink: bool = False, alone: bool = False) -> Figure | None:
    light = EvenLight(255, light_ink=False) if widest is None else UnevenLight(widest, light_ink)
    contrast = light.contrast(grey)
    rim = np.ones_like(grey)
    rim[1:-1, 1:-1] = 0
    return find_figure(to_ink(contrast.levels, even=widest is None), contrast, rim, widest=widest, alone=alone)


def test_boxes_know_their_gaps_and_what_is_around_them() -> None:
    one, other = Box(0, 0, 10, 20), Box(15, 5, 10, 5)
    assert (one.longer, one.area, one.gaps(other)) == (20, 200, (5, -5))
    assert one.around(other) == Box(0, 0, 25, 20)
    assert Box(2, 3, 4, 5).slices(2) == (slice(1, 10), slice(0, 8))


@pytest.mark.parametrize("strokes", [FOUR, FIVE], ids=["4 in two parts", "5 with its bar apart"])
def test_parts_of_a_digit_stay_together(strokes: tuple[Line, ...]) -> None:
    figure = found(picture(*strokes))
    assert figure.sure
    assert not figure.several
    assert figure.box.longer == pytest.approx(max(np.ptp([y for line in strokes for _, y in line]), 1) + 9, abs=4)


@pytest.mark.parametrize("right", [0, 30])
def test_bar_far_from_the_body_of_a_5_is_part_of_it(right: int) -> None:
    figure = found(picture(FIVE[0], ((110 + right, 30), (160 + right, 24))))
    assert not figure.several
    assert figure.box.left + figure.box.width > 158 + right


def test_end_of_a_margin_line_is_no_second_figure() -> None:
    assert not found(picture(*FIVE, ((30, -5), (36, 110)))).several


def test_bitmap_with_a_shadow_is_not_sure_of_its_figure() -> None:
    shaded = picture(*FIVE)
    shaded[120:, 150:] = 140
    assert found(picture(*FIVE), alone=True).sure
    assert not found(shaded, alone=True).sure


def test_figures_of_similar_size_are_several_digits() -> None:
    assert found(picture(((60, 60), (60, 140)), ((150, 60), (190, 60), (165, 140)))).several


@pytest.mark.parametrize("pen", [((175, 12), (205, 188)), ((180, -5), (186, 150))], ids=["whole", "cut off"])
def test_pen_beside_a_digit_is_no_second_figure(pen: Line) -> None:
    small = tuple([(x - 40, 40 + y // 2) for x, y in stroke] for stroke in FIVE)
    figure = found(picture(*small, pen, thickness=6))
    assert figure.box == found(picture(*small, thickness=6)).box
    assert not figure.several


def test_buttons_under_a_digit_are_no_figures() -> None:
    small = tuple([(x, 20 + y // 2) for x, y in stroke] for stroke in FIVE)
    grey = picture(*small, thickness=6)
    cv2.rectangle(grey, (20, 165), (110, 190), 30, -1)
    cv2.rectangle(grey, (130, 165), (220, 190), 30, -1)
    assert found(grey).box == found(picture(*small, thickness=6)).box
    assert not found(grey).several


def test_specks_are_not_joined_and_not_several() -> None:
    grey = picture(*FOUR)
    for spot in ((20, 20), (200, 30), (180, 170), (165, 100)):
        cv2.circle(grey, spot, 2, 30, -1)
    assert found(grey).box == found(picture(*FOUR)).box
    assert not found(grey).several


def test_pieces_along_the_rim_are_not_joined_to_others() -> None:
    grey = picture(*FOUR)
    cv2.ellipse(grey, (150, 199), (40, 32), 0, 0, 360, 30, -1)
    assert found(grey).box == found(picture(*FOUR)).box


def test_all_strokes_of_a_small_bitmap_are_one_figure() -> None:
    grey = picture(((60, 60), (60, 105)), ((90, 60), (130, 60), (105, 140)))
    figure = found(grey, alone=True)
    assert not figure.several
    assert figure.box.width > 60


def test_two_as_large_beside_each_other_in_a_bitmap_are_several() -> None:
    assert found(picture(((60, 60), (60, 140)), ((150, 60), (190, 60), (165, 140))), alone=True).several


def test_outline_of_strokes_is_an_edge_and_that_of_half_a_shadow_is_not() -> None:
    strokes = found(picture(*FOUR), widest=30)
    assert strokes.likely
    assert strokes.sure
    shaded = picture()
    cv2.fillPoly(shaded, [np.array([(0, 0), (60, 0), (0, 199)])], 140)
    wedge = found(shaded)
    assert not wedge.likely
    assert not wedge.sure
    assert wedge.score < strokes.score / 100


def test_strokes_count_more_than_the_gap_between_them() -> None:
    ring = picture()
    cv2.ellipse(ring, (120, 100), (36, 80), 0, 0, 360, 30, 24, cv2.LINE_AA)
    strokes, gap = found(ring, widest=90), found(ring, widest=90, light_ink=True)
    assert strokes.score > gap.score


def test_sides_of_a_box_and_a_stem_are_not_three_lines() -> None:
    stem: Line = ((150, 40), (150, 175))
    bar: Line = ((100, 40), (150, 40))
    grey = picture(bar, stem, thickness=5)
    cv2.rectangle(grey, (60, -10), (200, 190), 30, 4)
    assert found(grey).box.height == pytest.approx(140, abs=6)


def test_stroke_wider_than_can_be_seen_makes_a_reading_unsure() -> None:
    assert not found(picture(*FOUR, thickness=20), widest=20).sure
    assert found(picture(*FOUR, thickness=20), widest=60).sure


def test_ink_is_cut_to_the_figure() -> None:
    figure = found(picture(*FOUR))
    assert figure.ink.shape == (figure.box.height + 2, figure.box.width + 2)
    assert 0.9 < figure.ink.max() <= 1
    assert figure.ink[0].max() < 0.9


def test_bars_specks_and_blots_are_not_figures() -> None:
    specks = picture()
    for row, column in np.random.default_rng(1).integers(2, 198, (80, 2)):
        cv2.circle(specks, (int(column), int(row)), 1, 30, -1)
    blot = picture()
    cv2.circle(blot, (120, 100), 50, 30, -1)
    for grey in (picture(((20, 100), (220, 100))), specks, blot):
        assert found(grey) is None
