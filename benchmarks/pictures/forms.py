"""Forms of digits that are common elsewhere and rare in MNIST: lines with a hand's irregularity."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.pictures.scene import Random
from benchmarks.pictures.strokes import Line, Lines


class Form(NamedTuple):
    """A way to write the digit `label`; `lines` draws it in a box of 1 by 1, y downwards."""

    label: int
    lines: Callable[[Random], Lines]


def straight(*points: tuple[float, float]) -> Line:
    """Return the line through the points."""
    corners = np.array(points, float)
    parts = [np.linspace(start, end, 14, endpoint=False) for start, end in pairwise(corners)]
    return np.concatenate([*parts, corners[-1:]])


def curve(*points: tuple[float, float]) -> Line:
    """Return a smooth line through the points (Catmull-Rom)."""
    knots = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, 14, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(knots, knots[1:], knots[2:], knots[3:], strict=False):
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate([*parts, knots[-1:]])


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Line:
    """Return an arc about (x, y) from `start` to `end` degrees, 0 = right, clockwise as y goes down."""
    angles = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def irregular(lines: Lines, rng: Random, amount: float = 1.0) -> Lines:
    """Return the lines as if drawn by hand: sheared, stretched, and smoothly displaced."""
    shear, stretch = rng.normal(0, 0.1 * amount), np.exp(rng.normal(0, 0.12 * amount))
    knots = rng.normal(0, 0.018 * amount, (2, 4, 4))
    return tuple(_moved(line, shear, stretch, knots) for line in lines)


def _moved(line: Line, shear: float, stretch: float, knots: np.ndarray) -> Line:
    at = np.clip(line, 0, 1) * 3
    cell = np.minimum(at.astype(int), 2)
    part = at - cell
    (x, y), (u, v) = cell.T, part.T
    shift = sum(knots[:, y + j, x + i] * (v if j else 1 - v) * (u if i else 1 - u) for i in (0, 1) for j in (0, 1))
    moved = line + np.asarray(shift).T
    return np.stack([moved[:, 0] * stretch - shear * moved[:, 1], moved[:, 1]], axis=1)


def _one(rng: Random, up: tuple[float, float], *, foot: bool) -> Lines:
    """A 1 whose up-stroke starts `up` of the height below the top."""
    start = rng.uniform(*up)
    reach = start * rng.uniform(0.7, 1.2)
    body = straight((0.5 - reach, start), (0.5, 0), (0.5, 1))
    half = rng.uniform(0.15, 0.3)
    return (body, straight((0.5 - half, 1), (0.5 + half, 1))) if foot else (body,)


def _seven(rng: Random, *, bar: bool, serif: bool) -> Lines:
    foot, height = rng.uniform(0.15, 0.35), rng.uniform(0.42, 0.58)
    top = [(0.05, rng.uniform(0.12, 0.2)), (0.07, 0.02)] if serif else [(0.05, rng.uniform(0, 0.05))]
    body = straight(*top, (0.68, 0), (foot, 1))
    if not bar:
        return (body,)
    middle = 0.68 + (foot - 0.68) * height
    left, right = middle - rng.uniform(0.15, 0.25), middle + rng.uniform(0.15, 0.25)
    return body, straight((left, height), (right, height - 0.02))


def _open_four(rng: Random) -> Lines:
    bar, stem = rng.uniform(0.55, 0.7), rng.uniform(0.45, 0.6)
    start = rng.uniform(0, 0.15)
    return straight((0.12, start), (0.05, bar), (0.75, bar - 0.02)), straight(
        (stem + 0.05, rng.uniform(0.1, 0.35)), (stem, 1)
    )


def _closed_four(rng: Random) -> Lines:
    bar, stem = rng.uniform(0.6, 0.72), rng.uniform(0.45, 0.55)
    return (straight((stem, 1), (stem, 0), (0, bar), (0.75, bar)),)


def _nine(rng: Random, *, curled: bool) -> Lines:
    bowl = arc(0.32, 0.28, 0.27, 0.28, -20, -20 - 360)
    if not curled:
        return bowl, straight((0.585, 0.15), (rng.uniform(0.5, 0.6), 1))
    return bowl, curve((0.585, 0.2), (0.58, 0.6), (0.5, 0.9), (0.3, 1.0), (0.08, rng.uniform(0.72, 0.85)))


def _six(rng: Random, *, curled: bool) -> Lines:
    bowl = arc(0.33, 0.7, 0.28, 0.29, 180, 180 + 360)
    if not curled:
        return (np.concatenate([straight((rng.uniform(0.35, 0.5), 0), (0.05, 0.68)), bowl]),)
    return (np.concatenate([curve((0.6, rng.uniform(0.08, 0.18)), (0.42, 0), (0.15, 0.25), (0.05, 0.68)), bowl]),)


def _slashed_zero(rng: Random) -> Lines:
    reach = rng.uniform(0.9, 1.2)
    slash = np.array([0.34, 0.5]) + np.array([(-0.3, 0.42), (0.3, -0.42)]) * reach
    return arc(0.34, 0.5, 0.34, 0.5, -80, 285), straight(*map(tuple, slash))


def _looped_two(rng: Random) -> Lines:
    loop = rng.uniform(0.06, 0.1)
    return (
        curve(
            (0.06, 0.22),
            (0.3, 0),
            (0.56, 0.2),
            (0.42, 0.6),
            (0.1, 0.95),
            (0.02, 0.95 - loop),
            (0.14, 0.86),
            (0.4, 0.97),
            (0.66, 0.93),
        ),
    )


def _flat_three(rng: Random) -> Lines:
    return (
        np.concatenate(
            [
                straight((0.05, 0.02), (0.58, 0), (0.28, 0.4)),
                curve((0.3, 0.4), (0.6, 0.55), (0.56, 0.88), (0.28, 1), (0.02, rng.uniform(0.82, 0.92))),
            ]
        ),
    )


def _detached_five(rng: Random) -> Lines:
    body = np.concatenate(
        [straight((0.14, 0.03), (0.1, 0.45)), curve((0.1, 0.45), (0.42, 0.38), (0.62, 0.66), (0.4, 0.98), (0.03, 0.92))]
    )
    start = 0.14 + rng.uniform(0.02, 0.09)
    return body, straight((start, rng.uniform(-0.03, 0.03)), (0.6, 0.0))


def _stacked_eight(rng: Random) -> Lines:
    split = rng.uniform(0.42, 0.5)
    top = arc(0.34, split / 2, 0.25, split / 2, 90, 450)
    return top, arc(0.34, (1 + split) / 2, 0.32, (1 - split) / 2, -90, 270)


#: The forms by their names in the report.
FORMS: Mapping[str, Form] = {
    "1 with a short up-stroke": Form(1, partial(_one, up=(0.15, 0.3), foot=False)),
    "1 with a long up-stroke": Form(1, partial(_one, up=(0.35, 0.55), foot=False)),
    "1 with up-stroke and foot": Form(1, partial(_one, up=(0.15, 0.4), foot=True)),
    "7 without a bar": Form(7, partial(_seven, bar=False, serif=False)),
    "7 with a bar": Form(7, partial(_seven, bar=True, serif=False)),
    "7 with a bar and a hook": Form(7, partial(_seven, bar=True, serif=True)),
    "4 open": Form(4, _open_four),
    "4 closed": Form(4, _closed_four),
    "9 with a straight tail": Form(9, partial(_nine, curled=False)),
    "9 with a curled tail": Form(9, partial(_nine, curled=True)),
    "6 with a straight tail": Form(6, partial(_six, curled=False)),
    "6 with a curled tail": Form(6, partial(_six, curled=True)),
    "0 with a slash": Form(0, _slashed_zero),
    "2 with a loop": Form(2, _looped_two),
    "3 with a flat top": Form(3, _flat_three),
    "5 with its bar apart": Form(5, _detached_five),
    "8 of two rings": Form(8, _stacked_eight),
}
