"""Non-digits, drawn with the same pen as the digits; the model learns to be certain of none.

Letters and signs come from the stroke fonts that A. V. Hershey digitised ("Calligraphy for Computers", 1967); doodles
are made up here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from HersheyFonts import HersheyFonts

from training.data.mnist import Bytes
from training.synthesis import pen

#: Characters drawn from the fonts with Latin letters: none that somebody writes like a digit (the tests list those).
LETTERS: Mapping[str, str] = {
    "futural": "AEFHKMNPRVWXdefhkmnprtvwx#%*+-<=@~",
    "scripts": "HKMNRWXdhkmnrtwx",
}

#: What is drawn of the others, by the ASCII character whose place a glyph has taken. Left out here too is what a digit
#: looks like: of the Greek letters Delta and beta, of the signs the circle, of the kana those that are a 3 or a 5.
SIGNS: Mapping[str, str] = {
    "greek": "CGPSWXYchjkmpvwy",
    "symbolic": "ADFGJLMNOQRSTUVWXYZ[]^_`abcdghmnp89xyz{|~",
    "mathlow": "!\"%&'*+:;<=?@giknw",
    "japanese": "#$%&')*+,-.0456AEFGIMNPUWXZ^_`abcdfgnoqr",
}

#: Letters that people tell from a digit and version 5 did not: of forty of each, rendered as people send them, it was
#: certain of 92% (D), 85% (C), 55% (alpha), 50% (T), 46% (tau), 40% (delta), 35% (Q), 28% (U), 22% (lambda), 16%
#: (gamma), 10% (Y) and 8% (J), most often as the digit named here.
LIKE_A_DIGIT: Mapping[tuple[str, str], int] = {
    ("futural", "D"): 0,
    ("futural", "C"): 0,
    ("futural", "Q"): 0,
    ("futural", "U"): 0,
    ("futural", "J"): 4,
    ("futural", "T"): 7,
    ("futural", "Y"): 8,
    ("greek", "a"): 9,
    ("greek", "d"): 8,
    ("greek", "g"): 2,
    ("greek", "l"): 2,
    ("greek", "t"): 7,
}

_DOODLES_FROM = 0.6  # share of letters and signs among all outliers
_RESIDUE_FROM = 0.92  # share drawn with a pen
_WARP = 0.07  # heights; more than for digits, because the font is straight
_WIDEST = 0.11  # heights; a thick marker makes a blot of a sign, and a blot can be a digit


def draw(random: np.random.Generator) -> Bytes:
    """Return a letter, sign, doodle or stain, ink on black, uint8 [112, 112]."""
    kind = random.random()
    if kind >= _RESIDUE_FROM:
        return residue(random)
    hand = _draw_hand(random)
    if kind >= _DOODLES_FROM:
        return pen.draw(doodle(random), hand, random)
    names = glyph_names()
    return _draw_glyph(names[int(random.integers(len(names)))], hand, random)


def draw_alike(random: np.random.Generator) -> tuple[Bytes, int]:
    """Return a letter that resembles a digit, ink on black, uint8 [112, 112], and that digit."""
    names = list(LIKE_A_DIGIT)
    name = names[int(random.integers(len(names)))]
    return _draw_glyph(name, _draw_hand(random), random), LIKE_A_DIGIT[name]


def _draw_hand(random: np.random.Generator) -> pen.Hand:
    hand = pen.draw_hand(random)
    return replace(hand, width=min(hand.width, _WIDEST))


def _draw_glyph(name: tuple[str, str], hand: pen.Hand, random: np.random.Generator) -> Bytes:
    strokes = glyph(*name)
    loose = [stroke + random.normal(0, 0.008 * hand.looseness, stroke.shape) for stroke in strokes]
    return pen.draw(loose, replace(hand, warp=random.uniform(0, _WARP)), random)


@cache
def glyph_names() -> tuple[tuple[str, str], ...]:
    """Return the glyphs that are drawn, as (font, character)."""
    fonts = [*LETTERS.items(), *LETTERS.items(), *SIGNS.items()]  # letters twice: people send them more often
    return tuple((font, character) for font, characters in fonts for character in characters)


@cache
def glyph(font: str, character: str) -> tuple[pen.Points, ...]:
    """Return the strokes of a character in units of its height, y down."""
    strokes = [np.array(stroke, float) for stroke in _font(font)[character].strokes]
    drawn = [stroke if len(stroke) > 1 else np.repeat(stroke, 2, axis=0) for stroke in strokes if len(stroke)]
    every = np.concatenate(drawn)
    height = (every.max(axis=0) - every.min(axis=0)).max()
    return tuple(stroke / height for stroke in drawn)


@cache
def _font(name: str) -> Mapping[str, HersheyFonts]:
    font = HersheyFonts()
    font.load_default_font(name)
    glyphs: Mapping[str, HersheyFonts] = font.all_glyphs
    return glyphs


def doodle(random: np.random.Generator) -> list[pen.Points]:
    """Return the strokes of a random doodle, in a square of 1."""
    return DOODLES[int(random.integers(len(DOODLES)))](random)


def scribble(random: np.random.Generator) -> list[pen.Points]:
    """Return one line that goes back and forth."""
    return [pen.spline(random.uniform(0, 1, (int(random.integers(12, 24)), 2)))]


def strokes(random: np.random.Generator) -> list[pen.Points]:
    """Return straight lines, anywhere."""
    return list(random.uniform(0, 1, (int(random.integers(4, 9)), 2, 2)))


def parallels(random: np.random.Generator) -> list[pen.Points]:
    """Return one to five level lines."""
    count = int(random.integers(1, 6))
    heights = np.arange(count) * random.uniform(0.1, 0.3)
    ends = random.normal(0, 0.05, (count, 2, 2)) * [1, 0.4]
    return [np.array([[0, y], [1, y]]) + end for y, end in zip(heights, ends, strict=True)]


def grid(random: np.random.Generator) -> list[pen.Points]:
    """Return lines across lines."""
    rows, columns = random.integers(2, 5, 2)
    level = [np.array([[0.0, y], [1.0, y]]) for y in np.linspace(0.1, 0.9, rows)]
    upright = [np.array([[x, 0.0], [x, 1.0]]) for x in np.linspace(0.1, 0.9, columns)]
    return [line + random.normal(0, 0.03, (2, 2)) for line in level + upright]


def zigzag(random: np.random.Generator) -> list[pen.Points]:
    """Return a line that turns sharply, many times."""
    turns = int(random.integers(6, 12))
    points = np.column_stack([np.linspace(0, random.uniform(0.6, 2), turns), np.arange(turns) % 2])
    return [points + random.normal(0, 0.06, points.shape)]


def wave(random: np.random.Generator) -> list[pen.Points]:
    """Return a level line of smooth waves."""
    x = np.linspace(0, 1, 80)
    return [np.column_stack([x, random.uniform(0.06, 0.25) * np.sin(x * random.uniform(14, 34))])]


def spiral(random: np.random.Generator) -> list[pen.Points]:
    """Return a spiral of some turns."""
    angle = np.linspace(0, 2 * np.pi * random.uniform(2.4, 4.5), 140)
    turned = angle + random.uniform(0, 2 * np.pi)
    return [(angle / angle[-1])[:, None] * np.column_stack([np.cos(turned), np.sin(turned)])]


def coils(random: np.random.Generator) -> list[pen.Points]:
    """Return loops in a row, as when trying a pen."""
    angle = np.linspace(0, 2 * np.pi * random.uniform(3, 6), 160)
    return [np.column_stack([angle * random.uniform(0.05, 0.12) + 0.3 * np.cos(angle), 0.5 * np.sin(angle)])]


def rays(random: np.random.Generator) -> list[pen.Points]:
    """Return lines that meet in the middle."""
    angles = np.linspace(0, 2 * np.pi, int(random.integers(5, 10)), endpoint=False) + random.uniform(0, 1)
    ends = np.column_stack([np.cos(angles), np.sin(angles)]) * random.uniform(0.3, 0.5, (len(angles), 1))
    return [np.stack([end * random.uniform(0, 0.3), end]) for end in ends]


def cross(random: np.random.Generator) -> list[pen.Points]:
    """Return two lines across each other, upright or not."""
    angle = random.choice([0, np.pi / 4]) + random.normal(0, 0.1)
    arm = np.array([[np.cos(angle), np.sin(angle)]])
    other = np.array([[-np.sin(angle), np.cos(angle)]])
    return [np.concatenate([-line, line]) * random.uniform(0.35, 0.5) for line in (arm, other)]


def dots(random: np.random.Generator) -> list[pen.Points]:
    """Return dots, anywhere."""
    places = random.uniform(0, 1, (int(random.integers(4, 16)), 1, 2))
    return [np.concatenate([place, place + random.normal(0, 0.01, (1, 2))]) for place in places]


def face(random: np.random.Generator) -> list[pen.Points]:
    """Return a face: two eyes and a mouth in a circle."""
    angle = np.linspace(0, 2 * np.pi, 50) + random.uniform(0, 6)
    mouth = np.linspace(0.2, 0.8, 12) * np.pi
    smile = np.column_stack([0.5 * np.cos(mouth), random.choice([1, 1, -1]) * 0.4 * np.sin(mouth) + 0.1])
    eyes = [np.array([[x, -0.25], [x + 0.02, -0.12]]) for x in (-0.3, 0.3)]
    return [np.column_stack([np.cos(angle), np.sin(angle)]), smile, *eyes]


Doodle = Callable[[np.random.Generator], list[pen.Points]]
DOODLES: tuple[Doodle, ...] = (
    scribble,
    scribble,
    strokes,
    parallels,
    grid,
    zigzag,
    wave,
    spiral,
    coils,
    rays,
    cross,
    dots,
    face,
)


def residue(random: np.random.Generator) -> Bytes:
    """Return the residue of a texture or shadow: thresholded smooth noise, uint8 [112, 112]."""
    sigma = pen.SIDE * random.uniform(0.02, 0.09)
    noise = cv2.GaussianBlur(random.normal(0, 1, (pen.SIDE, pen.SIDE)).astype(np.float32), (0, 0), sigma)
    level = np.quantile(noise, random.uniform(0.7, 0.95))
    soft = (noise - level) / noise.std() * random.uniform(2, 12)
    stain: Bytes = np.rint(255 * np.clip(soft, 0, 1)).astype(np.uint8)
    return stain
