"""Digits in the forms of other countries, drawn stroke by stroke.

MNIST's writers are American. Elsewhere the 1 has a long up-stroke or a foot, the 7 a bar, the 4 is open, the 9 curled.
A 1 with an up-stroke and a 7 differ in where the first stroke goes: a 1's climbs to the top of the stem, or ends at it
further down, a 7's runs level to the top.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from training.data.mnist import Bytes
from training.synthesis import pen


class Point(NamedTuple):
    """A point of a stroke in digit heights, x to the right and y down, with half of its random range.

    The pen turns sharply at a `corner` and passes smoothly through any other point.
    """

    x: float
    y: float
    dx: float
    dy: float
    corner: bool


class Form(NamedTuple):
    """A way to write a digit: its strokes, and its relative frequency among the forms of that digit."""

    label: int
    name: str
    strokes: tuple[tuple[Point, ...], ...]
    weight: float


def _form(label: int, name: str, *strokes: str, weight: float = 1.0) -> Form:
    """Read the notation of the table: `x,y` in hundredths of the height, `~dx,dy` its range, `^` a corner."""
    return Form(label, name, tuple(tuple(map(_point, stroke.split())) for stroke in strokes), weight)


def _point(text: str) -> Point:
    corner = text.endswith("^")
    place, _, ranges = text.rstrip("^").partition("~")
    usual = _CORNER_RANGE if corner else _SMOOTH_RANGE
    x, y = (float(number) / 100 for number in place.split(","))
    given = [float(number) / 100 for number in ranges.split(",") if number]
    dx, dy = (*given, usual, usual)[:2] if given else (usual, usual)
    return Point(x, y, dx, dy, corner)


_CORNER_RANGE, _SMOOTH_RANGE = 0.03, 0.035
_FOOT = "32,100~6^ 86,99~8^"
_LONG_FOOT = "8,99~6^ 98,98~8^"
_BAR = "20,52~6,7^ 64,50~7,5^"
_SLANTED_BAR = "18,60~6,5^ 64,42~7,5^"
_LOW_BAR = "8,64~6,6^ 66,60~7,5^"
_BOWL = "36,40 66,62 45,96 0,90~5,5"
_LOOP_OF_9 = "56,12~5,4 30,0 3,24 24,50 54,34"

FORMS = (
    _form(0, "round", "38,0 10,14 0,50 12,86 38,100 68,85 76,48 65,12 36,1~7"),
    _form(0, "narrow", "25,0 6,20 0,55 8,85 22,100 40,82 44,45 38,13 22,1~6"),
    _form(0, "clockwise", "30,3 60,18 66,55 48,92 25,98 3,75 2,35 16,8 34,3~7"),
    _form(0, "open at the top", "24,2 5,20 0,55 12,88 35,100 60,82 66,45 50,8~5,4"),
    _form(0, "overlapping", "30,6 6,20 0,55 14,90 36,100 62,82 66,42 50,6 28,0 14,16~7,7"),
    _form(0, "slashed", "36,0 8,16 0,50 12,86 36,100 62,85 70,50 60,14 34,1~6", "64,12~8,8^ 6,90~8,8^", weight=0.5),
    _form(1, "bar", "30,0^ 28,100^", weight=2),
    _form(1, "bent bar", "30,0^ 27,50~5 28,100~5^"),
    _form(1, "short flag", "40,16~7,6^ 60,0^ 58,100^", weight=2),
    _form(1, "short flag, foot", "40,17~7,6^ 60,0^ 59,100^", _FOOT, weight=2),
    _form(1, "foot", "58,0^ 58,100^", _FOOT),
    _form(1, "medium up-stroke", "30,32~7,7^ 60,0^ 58,100^", weight=3),
    _form(1, "medium up-stroke, foot", "30,33~7,7^ 60,0^ 59,100^", _FOOT),
    _form(1, "long up-stroke", "14,54~9,10^ 60,0^ 58,100^", weight=4),
    _form(1, "long steep up-stroke", "30,58~6,12^ 60,0^ 59,100^", weight=3),
    _form(1, "long flat up-stroke", "4,49~5,5^ 60,0^ 57,100^", weight=2),
    _form(1, "long curved up-stroke", "10,52~9,10^ 42,29~5,5 62,0^ 58,100^", weight=3),
    _form(1, "long up-stroke, foot", "16,52~8,10^ 60,0^ 60,100^", _FOOT),
    _form(1, "up-stroke apart", "16,48~9,10^ 57,3~3,4^", "61,0~3,4^ 58,100^"),
    _form(1, "round top", "20,45~8,10^ 50,8~3,3 60,6~2,2 61,30~2 58,100^", weight=2),
    _form(1, "up-stroke from below", "2,82~5,9^ 58,0^ 58,100^", weight=2),
    _form(1, "up-stroke from below, foot", "6,76~6,9^ 58,0^ 58,100^", _LONG_FOOT),
    _form(1, "up-stroke under the top", "12,46~8,8^ 52,22~4,7^", "54,0~4^ 52,100^", weight=2),
    _form(1, "level stroke under the top", "10,40~8,9^ 50,36~3,9^", "54,0~4^ 52,100^", weight=3),
    _form(1, "steep stroke under the top", "28,54~7,9^ 52,24~3,8^", "54,0~4^ 52,100^", weight=2),
    _form(1, "flag, long foot", "36,20~9,8^ 56,0^ 56,100^", _LONG_FOOT),
    _form(1, "cursive", "2,84~5,7^ 42,52 62,14 54,0 46,18 46,84 62,100 88,92~6", weight=0.7),
    _form(2, "sharp", "4,24 14,5 38,0 60,16 56,40 34,68 2,97^ 68,95~5^"),
    _form(2, "loop", "6,22 18,4 42,1 60,20 50,50 26,82 8,98 0,88 12,78 36,92 74,97~6"),
    _form(2, "swan", "8,20 30,0 56,12 52,42 26,76 4,97 28,90 50,98 74,88~5,5"),
    _form(2, "flat", "6,10~4,6^ 36,0 58,10 54,34 4,99^ 70,99~6^"),
    _form(2, "angular", "4,8^ 58,4^ 50,40 3,98^ 66,96~5^", weight=0.5),
    _form(3, "round", "5,14 28,0 56,14 50,36 24,47~5^ 54,54 64,76 38,100 0,88~5,5", weight=2),
    _form(3, "flat top", "4,4^ 60,2^ 28,40~5^ 56,48 66,74 40,99 0,90~5,5"),
    _form(3, "knot", "6,10 32,0 55,18 38,44 20,47 26,39 52,52 64,78 40,99 2,90~5,5"),
    _form(3, "slack", "8,6 40,2 54,20 36,44 56,58 58,84 30,100 2,92~5,5"),
    _form(4, "open", "10,2^ 2,56~4,5^ 58,55~5^", "52,4~4,8^ 48,100^"),
    _form(4, "open, crossed", "10,2^ 2,54~4,5^ 74,53~6^", "52,8~4,10^ 48,100^"),
    _form(4, "open, short stem", "24,0~6^ 2,60~4,5^ 72,60~6^", "50,34~5,8^ 46,100^"),
    _form(4, "open, round", "6,2 4,40 22,54 54,46~4", "58,3~3,5^ 54,100^"),
    _form(4, "closed", "50,0^ 2,64~4,5^ 58,63~4^", "52,0^ 50,100^"),
    _form(4, "closed, crossed", "50,0^ 0,64~4,5^ 74,63~5^", "51,0^ 50,100^"),
    _form(4, "one stroke", "52,100^ 54,2^ 2,60~4,5^ 74,58~5^"),
    _form(4, "stem under the bar", "46,0~9,4^ 4,58~4,7^ 62,56~6^ 56,100~7^", weight=2),
    _form(4, "stem under the bar, round", "44,0~9,4^ 16,32 5,56 26,64 60,54~5^ 54,100~7^", weight=0.7),
    _form(4, "low bar", "40,0~8,4^ 4,74~4,6^ 72,73~5^", "54,42~5,9^ 48,100^", weight=2),
    _form(4, "low bar, round", "40,0~8,4 14,38 4,68 26,78 62,70~6", "56,40~5,9^ 50,100^"),
    _form(4, "open, leaning", "24,0~5,4^ 0,54~4,6^ 60,50~5^", "68,6~5,8^ 42,100~6^", weight=2),
    _form(4, "open, leaning, round", "28,0~5,4 8,34 14,54 64,48~5", "70,4~4,6^ 42,100~6^", weight=2),
    _form(4, "lightning", "50,0~9,4^ 2,56~4,7^ 66,52~6^", "56,32~6,8^ 44,100~6^", weight=2),
    _form(5, "top apart", f"14,6^ 9,43^ {_BOWL}", "18,3~5,4^ 64,1~6,4^"),
    _form(5, "top far off", f"12,10^ 8,45^ {_BOWL}", "30,2~5,4^ 74,0~6,4^"),
    _form(5, "one stroke", f"62,1~5^ 15,3^ 10,44^ {_BOWL}"),
    _form(5, "no corner", "60,2~5^ 16,4^ 10,30 34,42 62,64 42,98 0,90~5,5"),
    _form(5, "like an S", "62,7~4 32,2 10,24 34,46 60,70 40,98 2,90~5,5"),
    _form(6, "straight", "42,0~6^ 16,38 2,74 28,100 56,78 34,56 5,74~5,5"),
    _form(6, "upright", "10,0~5^ 3,40 2,76 28,100 56,78 34,57 6,72~5,5"),
    _form(6, "curled", "60,12~5,5 42,0 12,26 0,68 24,100 58,80 38,54 6,70~5,5"),
    _form(6, "open loop", "46,2~6 14,34 2,72 26,99 56,84 46,60 24,62~5,4"),
    _form(6, "small loop", "44,0~6^ 14,44 4,84 24,100 42,86 28,70 7,82~4,4"),
    _form(6, "large loop", "58,8~6,6 34,0 4,34 4,78 32,100 68,80 58,46 26,48 8,66~5,5"),
    _form(6, "curled head", "58,24~6,6 48,4 26,4 8,36 2,74 26,100 56,80 36,56 8,72~5,5", weight=2),
    _form(6, "curled head, narrow", "44,22~5,6 38,2 20,6 5,40 2,76 22,100 44,80 28,58 7,74~4,4"),
    _form(6, "spiral", "56,4~7,5 18,16 0,56 14,92 50,98 66,70 46,48 24,62~7,6"),
    _form(7, "plain", "0,5~4,5^ 66,2^ 26,100~8^", weight=3),
    _form(7, "upright", "0,4~4,5^ 60,2^ 54,100~5^", weight=2),
    _form(7, "bar", "0,5~4,5^ 66,2^ 28,100~8^", _BAR, weight=3),
    _form(7, "slanted bar", "0,5~4,5^ 66,2^ 28,100~8^", _SLANTED_BAR, weight=2),
    _form(7, "hook", "2,20~3,5^ 5,3^ 66,3^ 27,100~8^", weight=2),
    _form(7, "hook, bar", "2,20~3,5^ 5,3^ 66,3^ 28,100~8^", _BAR, weight=2),
    _form(7, "curved stem", "0,6~4,5^ 66,4^ 42,42~5 28,100~7^", weight=2),
    _form(7, "curved stem, bar", "0,6~4,5^ 66,4^ 42,42~5 30,100~7^", _BAR),
    _form(7, "wave", "0,14~3,5^ 14,3 42,9 70,2^ 44,50~5 32,100~7^", weight=2),
    _form(7, "round corner", "0,6~4,5^ 36,2 62,6 54,30 30,100~7^", weight=2),
    _form(7, "low bar", "0,5~4,5^ 66,2^ 30,100~8^", _LOW_BAR, weight=1.5),
    _form(7, "wave, low bar", "0,14~3,5^ 14,3 42,9 70,2^ 46,50~5 32,100~7^", _LOW_BAR, weight=2),
    _form(7, "wave, bar", "0,14~3,5^ 14,3 42,9 70,2^ 46,50~5 32,100~7^", _BAR),
    _form(7, "hook, low bar", "2,20~3,5^ 8,3 60,3^ 30,100~8^", _LOW_BAR),
    _form(8, "one stroke", "54,12 30,0 10,20 34,46 60,74 34,100 4,76 30,48 56,22 48,7~5,5", weight=2),
    _form(8, "from the middle", "32,47 8,24 30,0 54,20 32,47 2,76 30,100 62,76 34,50~5,5"),
    _form(8, "two circles", "32,0 10,22 30,46 54,24 34,0~5", "30,48 2,74 32,100 62,74 33,48~5"),
    _form(8, "open at the top", "62,2~5 26,4 12,24 34,46 56,74 32,100 4,78 30,48 60,12~6,6"),
    _form(9, "straight", f"{_LOOP_OF_9} 57,8^ 54,100~6^", weight=2),
    _form(9, "slanted", f"{_LOOP_OF_9} 58,10^ 34,100~6^"),
    _form(9, "curled", f"{_LOOP_OF_9} 58,8^ 58,66 40,98 6,90~5,5"),
    _form(9, "hooked", f"{_LOOP_OF_9} 57,8^ 58,80 46,99 26,93~5,4"),
    _form(9, "flat foot", f"{_LOOP_OF_9} 58,8^ 58,74 40,97 0,97~6,3", weight=1.5),
    _form(9, "like a g", "56,20~4,4 32,0 4,20 26,42 57,18~3,3 62,60 46,94 4,97~6,4"),
    _form(9, "like a g, curled up", "56,20~4,4 32,0 4,20 26,42 57,18~3,3 60,70 34,100 0,80~6,6"),
    _form(9, "looped s", "36,44 14,26 34,2 60,10 56,32 34,46~4,4 60,64 56,90 34,98 2,97~6,4", weight=2),
    _form(9, "looped s, leaning", "30,45 20,24 44,2 70,8 60,32 32,47~4,4 56,64 58,84 40,98 0,98~6,4", weight=2),
    _form(9, "large head", "60,22~5,5 34,0 2,24 22,58 58,40 62,14^ 52,100~9^"),
    _form(9, "like a rho", "4,100~7^ 26,34 52,2 78,16 62,42 30,38~6,6", weight=0.5),
    _form(9, "turned 6", "56,26~5,5 28,46 2,24 30,0 58,26 46,68 20,100~6"),
)

#: Relative frequency of each digit: higher where digits are mistaken for one another.
_SHARES = np.array([0.05, 0.25, 0.06, 0.06, 0.17, 0.06, 0.07, 0.15, 0.06, 0.14])


def _chances(forms: Sequence[Form]) -> list[float]:
    totals = np.bincount([form.label for form in forms], [form.weight for form in forms], len(_SHARES))
    return [float(_SHARES[form.label] * form.weight / totals[form.label]) for form in forms]


_CHANCES = np.cumsum(_chances(FORMS))


def draw(random: np.random.Generator) -> tuple[Bytes, int]:
    """Return a digit in a random form and hand, ink on black, uint8 [112, 112], and its label."""
    form = FORMS[int(np.searchsorted(_CHANCES, random.random() * _CHANCES[-1]))]
    hand = pen.draw_hand(random)
    return pen.draw(lines(form, hand.looseness, random), hand, random), form.label


def lines(form: Form, looseness: float, random: np.random.Generator) -> list[pen.Points]:
    """Return the strokes of a form as lines, each point drawn from its range times `looseness`."""
    return [_line(place(stroke, looseness, random), stroke) for stroke in form.strokes]


def place(stroke: Sequence[Point], looseness: float, random: np.random.Generator) -> pen.Points:
    """Return random positions of the points of a stroke, float64 [N, 2].

    Wide ranges are a choice among forms and stay as they are; narrow ones are irregularity and scale.
    """
    middles = np.array([(point.x, point.y) for point in stroke])
    ranges = np.array([(point.dx, point.dy) for point in stroke])
    reach = np.where(ranges > _CHOICE, np.minimum(looseness, 1), looseness) * ranges
    placed: pen.Points = middles + reach * random.uniform(-1, 1, middles.shape)
    return placed


_CHOICE = 0.04  # heights; a wider range is a choice among forms


def _line(points: pen.Points, stroke: Sequence[Point]) -> pen.Points:
    """Return the line through `points`: splines between the corners."""
    ends = [0, *(index for index in range(1, len(stroke) - 1) if stroke[index].corner), len(stroke) - 1]
    pieces = [pen.spline(points[start : end + 1]) for start, end in pairwise(ends)]
    return np.concatenate(pieces)
