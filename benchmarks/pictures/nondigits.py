"""Pictures with no digit or several: letters, doodles, textures, blanks, numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from benchmarks.pictures import blanks, camera, files, letters, light, strokes, trace
from benchmarks.pictures.doodles import DOODLES
from benchmarks.pictures.forms import irregular
from benchmarks.pictures.look import Look, picture_of_ink, picture_of_lines
from benchmarks.pictures.scene import BLACK, WHITE, Random
from benchmarks.pictures.strokes import Digit, Ink


class Wanted(Enum):
    """The wanted outcome of such pictures, in the report's words."""

    NO_DIGIT = "all refused"
    SEVERAL = "99% refused as several"
    DOUBT = "80% refused or uncertain"
    NOTHING = "shown"


@dataclass(frozen=True)
class NonDigits:
    """A kind of picture without a digit: `make` draws one of the `items`; each is drawn `times` times."""

    make: Callable[[Any, Random], bytes]
    items: Sequence[Any]
    wanted: Wanted
    times: int = 1


_PAPER = Look(pen=(0.05, 0.11))
_CANVAS = replace(_PAPER, side=(280, 280), aspect=(1, 1), paper=(BLACK,), ink=(WHITE,), vary=0, noise=0)
_SCREEN = replace(_CANVAS, paper=(WHITE,), ink=(BLACK,))
_PHOTO = replace(
    _PAPER,
    side=(300, 420),
    over=(light.gradient(0.25), camera.blur((0.005, 0.015)), camera.noisy(3, 0.6)),
    encode=files.jpeg(80),
)
_LOOKS = (_PAPER, _CANVAS, _SCREEN, _PHOTO)


def non_digits() -> dict[str, NonDigits]:
    """Return every kind by name except numbers, which are made of MNIST's digits."""
    unlike, symbols, like = letters.UNLIKE_LETTERS, letters.UNLIKE_SYMBOLS, letters.resembling()
    return {
        "letters unlike a digit, printed": NonDigits(printed, letters.characters(unlike), Wanted.DOUBT, 3),
        "letters unlike a digit, by pen": NonDigits(_by_pen, letters.characters(unlike), Wanted.DOUBT, 3),
        "symbols unlike a digit": NonDigits(printed, letters.characters(symbols), Wanted.DOUBT, 4),
        "characters like a digit, printed": NonDigits(printed, letters.characters(like), Wanted.NOTHING),
        "characters like a digit, by pen": NonDigits(_by_pen, letters.characters(like), Wanted.NOTHING),
        **{f"doodle: {name}": NonDigits(_doodle, [name], Wanted.DOUBT, 60) for name in DOODLES},
        **{f"texture: {name}": NonDigits(blanks.texture, [name], Wanted.DOUBT, 60) for name in blanks.TEXTURES},
        **{name: NonDigits(blanks.texture, [name], Wanted.NO_DIGIT, 60) for name in blanks.NOISES},
        **{f"blank: {name}": NonDigits(blanks.empty, [name], Wanted.NO_DIGIT, 60) for name in blanks.BLANKS},
    }


def _look(rng: Random) -> Look:
    return _LOOKS[int(rng.integers(len(_LOOKS)))]


def printed(item: tuple[str, str], rng: Random) -> bytes:
    """Return a file with a printed character; `item` is a font and the character."""
    return picture_of_ink(_look(rng), lambda height: letters.glyph(*item, height), rng)


def _by_pen(item: tuple[str, str], rng: Random) -> bytes:
    lines = [line / 28 for line in letters.traced(*item)]
    return picture_of_lines(_look(rng), irregular(tuple(lines), rng), rng)


def _doodle(name: str, rng: Random) -> bytes:
    return picture_of_lines(_look(rng), irregular(DOODLES[name](rng), rng), rng)


def number(item: tuple[Sequence[Digit], tuple[float, float]], rng: Random) -> bytes:
    """Return a file with digits side by side; `item` is the digits and the range of the gap, in digit heights."""
    digits, gap = item
    look = replace(_look(rng), height=(0.25, 0.4), aspect=(1, 1.6))
    heights, gaps = rng.uniform(0.9, 1.1, len(digits)), rng.uniform(*gap, len(digits))
    width = rng.uniform(0.06, 0.11)

    def draw(height: float) -> Ink:
        pen = max(1.0, width * height)
        parts = [
            strokes.penned(trace.traced(digit), height * share, pen)
            for digit, share in zip(digits, heights, strict=True)
        ]
        return _side_by_side(parts, [round(gap * height) for gap in gaps])

    return picture_of_ink(look, draw, rng)


def _side_by_side(parts: Sequence[Ink], gaps: Sequence[int]) -> Ink:
    """Return the parts on one line with gaps between them."""
    tallest = max(part.shape[0] for part in parts)
    behind = [*gaps[: len(parts) - 1], 0]
    return np.concatenate(
        [np.pad(part, ((tallest - part.shape[0], 0), (0, gap))) for part, gap in zip(parts, behind, strict=True)],
        axis=1,
    )


#: Numbers: how many digits, the gap between them, and the wanted outcome.
NUMBERS: Mapping[str, tuple[int, tuple[float, float], Wanted]] = {
    "number of 2 digits": (2, (0.2, 0.5), Wanted.SEVERAL),
    "number of 3 digits": (3, (0.2, 0.4), Wanted.SEVERAL),
    "number of 5 digits": (5, (0.15, 0.3), Wanted.SEVERAL),
    "2 digits, close": (2, (0.03, 0.1), Wanted.NOTHING),
}
