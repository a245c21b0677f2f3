"""Pictures in which there is no digit, or more than one: letters, doodles, textures, blanks, numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from tests.benchmarks.robustness import camera, files, letters, noise, scene, strokes
from tests.benchmarks.robustness.forms import arc, curve, irregular, straight
from tests.benchmarks.robustness.look import Look, picture_of_ink, picture_of_lines
from tests.benchmarks.robustness.scene import BLACK, WHITE, Box, Picture, Random, Step, grey
from tests.benchmarks.robustness.strokes import Digit, Ink, Lines


class Wanted(Enum):
    """What the service should do with such pictures; the value says it in a report."""

    NO_DIGIT = "all refused"
    SEVERAL = "95% refused as several"
    DOUBT = "80% refused or uncertain"
    NOTHING = "shown"


@dataclass(frozen=True)
class NonDigits:
    """A kind of picture without a digit: `make` draws one of the `items`, and every item is drawn `times` over."""

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
    over=(scene.gradient(0.25), camera.blur((0.005, 0.015)), camera.noisy(3, 0.6)),
    encode=files.jpeg(80),
)
_LOOKS = (_PAPER, _CANVAS, _SCREEN, _PHOTO)


def non_digits() -> dict[str, NonDigits]:
    """Return every kind by name, numbers apart: those are made of MNIST's digits."""
    unlike, symbols, like = letters.UNLIKE_LETTERS, letters.UNLIKE_SYMBOLS, letters.resembling()
    return {
        "letters unlike a digit, printed": NonDigits(_printed, letters.characters(unlike), Wanted.DOUBT, 3),
        "letters unlike a digit, by pen": NonDigits(_by_pen, letters.characters(unlike), Wanted.DOUBT, 3),
        "symbols unlike a digit": NonDigits(_printed, letters.characters(symbols), Wanted.DOUBT, 4),
        "characters like a digit, printed": NonDigits(_printed, letters.characters(like), Wanted.NOTHING),
        "characters like a digit, by pen": NonDigits(_by_pen, letters.characters(like), Wanted.NOTHING),
        **{f"doodle: {name}": NonDigits(_doodle, [name], Wanted.DOUBT, 60) for name in _DOODLES},
        **{f"texture: {name}": NonDigits(_texture, [name], wanted, 60) for name, (wanted, _) in _TEXTURES.items()},
        **{f"blank: {name}": NonDigits(_blank, [name], Wanted.NO_DIGIT, 60) for name in _BLANKS},
    }


def digit_of_font(item: tuple[str, str], rng: Random) -> bytes:
    """Return a file with a printed digit; `item` is a font and the digit."""
    return _printed(item, rng)


def _look(rng: Random) -> Look:
    return _LOOKS[int(rng.integers(len(_LOOKS)))]


def _printed(item: tuple[str, str], rng: Random) -> bytes:
    return picture_of_ink(_look(rng), lambda height: letters.glyph(*item, height), rng)


def _by_pen(item: tuple[str, str], rng: Random) -> bytes:
    lines = [line / 28 for line in letters.traced(*item)]
    return picture_of_lines(_look(rng), irregular(tuple(lines), rng), rng)


def _doodle(name: str, rng: Random) -> bytes:
    return picture_of_lines(_look(rng), irregular(_DOODLES[name](rng), rng), rng)


# doodles


def _curves(rng: Random) -> Lines:
    return tuple(curve(*map(tuple, rng.uniform(0, 1, (int(rng.integers(5, 9)), 2)))) for _ in range(rng.integers(2, 4)))


def _scribble(rng: Random) -> Lines:
    count = int(rng.integers(14, 30))
    across = np.where(np.arange(count) % 2, rng.uniform(0.7, 1, count), rng.uniform(0, 0.3, count))
    return (curve(*zip(across, np.linspace(0, 1, count) + rng.normal(0, 0.03, count), strict=True)),)


def _spiral(rng: Random) -> Lines:
    turns = rng.uniform(3, 5)
    t = np.linspace(0.02, 1, 200)
    angle = 2 * np.pi * turns * t * rng.choice([-1, 1])
    return (np.stack([0.5 + 0.5 * t * np.cos(angle), 0.5 + 0.5 * t * np.sin(angle)], axis=1),)


def _star(rng: Random) -> Lines:
    points = int(rng.choice([5, 7]))
    angles = 2 * np.pi * np.arange(points + 1) * (points // 2) / points - np.pi / 2
    return (straight(*zip(0.5 + 0.5 * np.cos(angles), 0.5 + 0.5 * np.sin(angles), strict=True)),)


def _face(rng: Random) -> Lines:
    smile = arc(0.5, 0.55, 0.25, 0.2, 20, 160)
    eyes = [arc(0.35 + 0.3 * side, 0.38, 0.04, rng.uniform(0.03, 0.07), 0, 360) for side in (0, 1)]
    return (arc(0.5, 0.5, 0.5, 0.5, 0, 360), smile, *eyes)


def _house(rng: Random) -> Lines:
    eaves = rng.uniform(0.35, 0.45)
    walls = straight((0.1, eaves), (0.1, 1), (0.9, 1), (0.9, eaves), (0.1, eaves), (0.5, 0), (0.9, eaves))
    return walls, straight((0.4, 1), (0.4, 0.7), (0.6, 0.7), (0.6, 1))


def _tick_tack_toe(_rng: Random) -> Lines:
    return tuple(straight((a, 0), (a, 1)) for a in (0.33, 0.67)) + tuple(straight((0, a), (1, a)) for a in (0.33, 0.67))


def _signature(rng: Random) -> Lines:
    count = int(rng.integers(12, 20))
    heights = 0.5 + rng.uniform(-0.2, 0.2, count) * np.where(rng.random(count) < 0.2, 2.2, 1)
    return (curve(*zip(np.cumsum(rng.uniform(0.02, 0.25, count)), heights, strict=True)),)


def _flower(rng: Random) -> Lines:
    petals = int(rng.integers(5, 8))
    around = 2 * np.pi * np.arange(petals) / petals
    rings = [arc(0.5 + 0.22 * np.cos(a), 0.35 + 0.22 * np.sin(a), 0.12, 0.12, 0, 360) for a in around]
    return (arc(0.5, 0.35, 0.1, 0.1, 0, 360), *rings, straight((0.5, 0.6), (0.5, 1)))


_DOODLES: Mapping[str, Callable[[Random], Lines]] = {
    "curves": _curves,
    "scribble": _scribble,
    "spiral": _spiral,
    "star": _star,
    "face": _face,
    "house": _house,
    "noughts and crosses": _tick_tack_toe,
    "signature": _signature,
    "flower": _flower,
}


# textures and blanks: whole pictures, no ink


def _whole(picture: Picture, rng: Random) -> bytes:
    encode = (files.png(), files.jpeg(85))[int(rng.integers(2))]
    return encode(camera.pixels(picture))


def _shape(rng: Random) -> tuple[int, int]:
    side, aspect = rng.uniform(28, 400), np.exp(rng.uniform(-0.6, 0.6))
    return round(side), round(side * aspect)


def _texture(name: str, rng: Random) -> bytes:
    return _whole(_TEXTURES[name][1](_shape(rng), rng)[..., None].astype(np.float32), rng)


def _static(blur: float) -> Callable[[tuple[int, int], Random], np.ndarray]:
    return lambda shape, rng: 0.5 + rng.uniform(0.08, 0.3) * noise.fine(rng, shape, blur)


def _wood(shape: tuple[int, int], rng: Random) -> np.ndarray:
    rows = np.arange(shape[0])[:, None] / max(shape)
    rings = rows * rng.uniform(20, 60) + 1.5 * noise.cloud(rng, shape, 3)
    return 0.55 + 0.15 * np.sin(rings) + 0.05 * noise.fine(rng, shape, 1.0)


def _fabric(shape: tuple[int, int], rng: Random) -> np.ndarray:
    period = rng.uniform(3, 9)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    weave = np.sin(2 * np.pi * rows / period) * np.sin(2 * np.pi * columns / period)
    return 0.6 + 0.15 * weave + 0.05 * noise.fine(rng, shape)


def _checkerboard(shape: tuple[int, int], rng: Random) -> np.ndarray:
    side = rng.uniform(0.08, 0.2) * max(shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return 0.2 + 0.6 * ((rows // side + columns // side) % 2)


def _clouds(shape: tuple[int, int], rng: Random) -> np.ndarray:
    return 0.5 + 0.35 * noise.cloud(rng, shape, rng.uniform(4, 10))


_TEXTURES: Mapping[str, tuple[Wanted, Callable[[tuple[int, int], Random], np.ndarray]]] = {
    "noise of 1 pixel": (Wanted.NO_DIGIT, _static(0)),
    "noise of 2 pixels": (Wanted.NO_DIGIT, _static(1)),
    "noise of 4 pixels": (Wanted.NO_DIGIT, _static(2)),
    "noise of 8 pixels": (Wanted.NO_DIGIT, _static(4)),
    "clouds": (Wanted.DOUBT, _clouds),
    "wood": (Wanted.DOUBT, _wood),
    "fabric": (Wanted.DOUBT, _fabric),
    "checkerboard": (Wanted.DOUBT, _checkerboard),
}


def _blank(name: str, rng: Random) -> bytes:
    colour, steps = _BLANKS[name]
    shape = _shape(rng)
    picture = scene.blank(shape, colour)
    box = Box(0, 0, max(1, shape[1] // 2), max(1, round(min(shape) * rng.uniform(0.3, 0.6))))
    for step in steps:
        picture = step(picture, box, rng)
    return _whole(picture, rng)


_LIGHT = (0.68, 0.82, 0.95)
_BLANKS: Mapping[str, tuple[scene.Colour, tuple[Step, ...]]] = {
    "white": (WHITE, ()),
    "black": (BLACK, ()),
    "grey": (grey(0.5), ()),
    "noisy paper": (grey(0.9), (camera.noisy(4),)),
    "noisy black": (grey(0.05), (camera.noisy(6),)),
    "textured paper": (grey(0.88), (scene.texture(0.03), scene.fibres(60, 0.08), camera.noisy(2))),
    "gradient": (grey(0.9), (scene.gradient(0.6), camera.noisy(1))),
    "uneven light": (grey(0.9), (scene.gradient(0.4), scene.vignette(0.3), camera.noisy(3))),
    "shadow": (grey(0.9), (scene.shadow(0.4, soft=(0.01, 0.05)), camera.noisy(2))),
    "squared paper": (grey(0.95), (scene.ruled(_LIGHT, squares=True, pitch=(0.3, 0.9)), camera.noisy(1))),
    "ruled paper": (grey(0.95), (scene.ruled(_LIGHT), camera.noisy(1))),
    "dark squared paper": (grey(0.95), (scene.ruled(grey(0.5), squares=True, pitch=(0.3, 0.9)), camera.noisy(1))),
    "framed": (grey(0.93), (scene.frame(BLACK, (0.03, 0.1)), camera.noisy(1))),
    "sheet on a table": (grey(0.93), (scene.table((0.4, 0.27, 0.17), (0.04, 0.15)), camera.noisy(1))),
    "creased": (grey(0.93), (scene.crease(0.1, 2), camera.noisy(1))),
}


# numbers


def number(item: tuple[Sequence[Digit], tuple[float, float]], rng: Random) -> bytes:
    """Return a file with digits side by side; `item` is the digits and the range of the gap, in digit heights."""
    digits, gap = item
    look = replace(_look(rng), height=(0.25, 0.4), aspect=(1, 1.6))
    return picture_of_ink(look, lambda height: _row(digits, height, gap, rng), rng)


def _row(digits: Sequence[Digit], height: float, gap: tuple[float, float], rng: Random) -> Ink:
    width = max(1.0, rng.uniform(0.06, 0.11) * height)
    parts = [strokes.penned(strokes.traced(digit), height * rng.uniform(0.9, 1.1), width) for digit in digits]
    tallest = max(part.shape[0] for part in parts)
    columns = []
    for part in parts:
        space = np.zeros((tallest, round(rng.uniform(*gap) * height)), np.float32)
        columns += [np.pad(part, ((tallest - part.shape[0], 0), (0, 0))), space]
    return np.concatenate(columns[:-1], axis=1)


#: Numbers: how many digits, the gap between them, and what is wanted.
NUMBERS: Mapping[str, tuple[int, tuple[float, float], Wanted]] = {
    "number of 2 digits": (2, (0.2, 0.5), Wanted.SEVERAL),
    "number of 3 digits": (3, (0.2, 0.4), Wanted.SEVERAL),
    "number of 5 digits": (5, (0.15, 0.3), Wanted.SEVERAL),
    "2 digits, close": (2, (0.03, 0.1), Wanted.NOTHING),
}
