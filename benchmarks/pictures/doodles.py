"""Drawings that are not digits, as lines in a box of about 1 by 1, y downwards."""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.pictures.forms import arc, curve, straight
from benchmarks.pictures.scene import Random
from benchmarks.pictures.strokes import Lines


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


#: The doodles, by name.
DOODLES: Mapping[str, Callable[[Random], Lines]] = {
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
