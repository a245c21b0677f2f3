"""Strokes drawn as irregularly as a hand draws them, as ink on black."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.data.mnist import Bytes

Points = npt.NDArray[np.float64]  # [N, 2] of (x right, y down)

SIDE = 112  # side of a drawing in pixels, four to one of MNIST's
_MARGIN = 3  # margin in pixels
_SPACING = 1.2  # pixels between two dots of the pen
_PER_SPAN = 10  # points of a spline between two given ones
_FRACTION_BITS = 4  # of OpenCV's coordinates


@dataclass(frozen=True)
class Hand:
    """How one digit is written; lengths are in digit heights.

    `looseness` scales the random position of each point; `warp` bends the whole digit, `tremor` the line. `pressure` is
    the share by which the pen's `width` varies, `taper` the share left of it at the ends. `nib` is the angle of a flat
    tip in radians, None for a round one. `gap` is the share of a stroke, at a random place, that the pen skips.
    """

    looseness: float
    slant: float
    rotation: float
    aspect: float
    warp: float
    tremor: float
    width: float
    pressure: float
    taper: float
    nib: float | None
    gap: float


def draw_hand(random: np.random.Generator) -> Hand:
    """Return a random hand: upright to slanted right, hairline to thick marker."""
    sure = random.random() < 0.3
    return Hand(
        looseness=random.uniform(0.4, 1.0) if sure else random.uniform(0.8, 1.7),
        slant=float(np.clip(random.normal(0.12, 0.15), -0.2, 0.42)),
        rotation=float(np.clip(random.normal(0, 0.06), -0.15, 0.15)),
        aspect=float(np.exp(np.clip(random.normal(0, 0.15), -0.3, 0.3))),
        warp=random.uniform(0, 0.05),
        tremor=random.uniform(0, 0.003) if sure else random.uniform(0, 0.007),
        width=float(np.exp(random.uniform(np.log(0.018), np.log(0.22)))),
        pressure=random.uniform(0, 0.35),
        taper=random.uniform(0.35, 1.0),
        nib=random.uniform(0, np.pi) if random.random() < 0.15 else None,
        gap=random.uniform(0.03, 0.1) if random.random() < 0.06 else 0.0,
    )


def spline(points: Points) -> Points:
    """Return a smooth line through `points`, from the first to the last.

    Cubic Hermite spans with Catmull-Rom directions and speeds scaled to the length of the span: four points make
    nearly a circle and uneven distances make no loops.
    """
    if len(points) < 3:
        return np.linspace(points[0], points[-1], _PER_SPAN + 1)
    chords = np.diff(points, axis=0)
    lengths = np.hypot(*chords.T)[:, None]
    along = points[2:] - points[:-2]
    inner = along / np.maximum(np.hypot(*along.T)[:, None], 1e-9)
    outer = 2 * chords[[0, -1]] / np.maximum(lengths[[0, -1]], 1e-9) - inner[[0, -1]]
    directions = np.concatenate([outer[:1], inner, outer[1:]])
    speeds = _ROUNDNESS * lengths
    spans = np.stack([points[:-1], speeds * directions[:-1], points[1:], speeds * directions[1:]])
    curve = np.einsum("tk,kni->nti", _HERMITE, spans).reshape(-1, 2)
    return np.concatenate([curve, points[-1:]])


def _hermite() -> Any:
    t = np.arange(_PER_SPAN) / _PER_SPAN
    return np.column_stack([2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, 3 * t**2 - 2 * t**3, t**3 - t**2])


_HERMITE = _hermite()
_ROUNDNESS = 1.1  # a quarter of a circle would need 1.17, a straight line 1


def draw(strokes: Sequence[Points], hand: Hand, random: np.random.Generator, *, side: int = SIDE) -> Bytes:
    """Draw `strokes`, lines in any unit, with a hand: ink on black, centred, uint8 [side, side]."""
    bent = _bend(strokes, hand, random)
    lines = [_walk(line) for line in _place(bent, hand.width * (1 + hand.pressure), side)]
    width = max(1.0, hand.width * _height(lines))
    ink = np.zeros((side, side), np.uint8)
    for line in lines:
        shaken = _shake(line, hand.tremor * side, random)
        widths = width * _pressure(len(line), hand, random)
        for part in _lift(len(line), hand.gap, random):
            _ink(ink, shaken[part], widths[part], hand.nib)
    return ink


def _bend(strokes: Sequence[Points], hand: Hand, random: np.random.Generator) -> list[Points]:
    """Apply the hand's proportion, slant, rotation and smooth warp."""
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    height = max(float((high - low).max()), 1e-6)
    phases, waves = random.uniform(0, 2 * np.pi, (2, 2)), random.uniform(2, 6, (2, 2))
    cosine, sine = np.cos(hand.rotation), np.sin(hand.rotation)
    affine = np.array([[hand.aspect, -hand.slant], [0, 1]]).T @ np.array([[cosine, -sine], [sine, cosine]]).T
    bent = []
    for stroke in strokes:
        points = (stroke - (low + high) / 2) / height
        warp = np.sin(points @ waves + phases[0]) + np.sin(points[:, ::-1] @ waves + phases[1])
        bent.append((points + hand.warp / 2 * warp) @ affine)
    return bent


def _place(strokes: Sequence[Points], width: float, side: int) -> list[Points]:
    """Scale the strokes into the square, allowing for the pen's width."""
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    longest = max(float((high - low).max()), 1e-6)
    scale = (side - 2 * _MARGIN) / (longest * (1 + width))
    return [(stroke - (low + high) / 2) * scale + (side - 1) / 2 for stroke in strokes]


def _height(lines: Sequence[Points]) -> float:
    every = np.concatenate(lines)
    return float((every.max(axis=0) - every.min(axis=0)).max())


def _walk(line: Points) -> Points:
    """Return evenly spaced points along `line`."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    stops = np.linspace(0, travelled[-1], max(2, int(travelled[-1] / _SPACING) + 1))
    return np.column_stack([np.interp(stops, travelled, line[:, axis]) for axis in (0, 1)])


def _shake(line: Points, amplitude: float, random: np.random.Generator) -> Points:
    """Add a tremor of a few waves."""
    position = np.arange(len(line))[:, None] * _SPACING
    waves, phases = random.uniform(0.04, 0.3, (3, 1, 2)), random.uniform(0, 2 * np.pi, (3, 1, 2))
    tremor: Points = line + amplitude / 2 * np.sin(position * waves + phases).sum(axis=0)
    return tremor


def _pressure(count: int, hand: Hand, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the pen's width at each point as a share of its nominal one."""
    position = np.linspace(0, 1, count)
    wave = np.sin(position * random.uniform(2, 9) + random.uniform(0, 2 * np.pi))
    start, end = random.uniform(hand.taper, 1, 2)
    ends = np.minimum(start + (1 - start) * 5 * position, end + (1 - end) * 5 * (1 - position))
    pressure: npt.NDArray[np.float64] = (1 + hand.pressure * wave) * np.minimum(ends, 1)
    return pressure


def _lift(count: int, gap: float, random: np.random.Generator) -> list[slice]:
    """Return the parts of a line in which the pen is on the paper."""
    missing = int(gap * count)
    if missing < 2 or count < 20:
        return [slice(0, count)]
    start = int(random.integers(count // 8, count - missing))
    return [slice(0, start), slice(start + missing, count)]


def _ink(ink: Bytes, line: Points, widths: npt.NDArray[np.float64], nib: float | None) -> None:
    """Draw `line` into `ink` with a round tip, or a flat one held at the angle `nib`."""
    one = 1 << _FRACTION_BITS
    if nib is None:
        # Dots of a broad pen may lie further apart: the notches between them are as deep as those of the finest.
        each = max(1, int(np.sqrt(widths.min() / 2)))
        line, widths = (np.concatenate([along[:-1:each], along[-1:]]) for along in (line, widths))
        centres = np.rint(line * one).astype(int).tolist()
        radii = np.rint((widths - 1).clip(0.5) / 2 * one).astype(int).tolist()  # the edge's grey adds a pixel
        for centre, radius in zip(centres, radii, strict=True):
            cv2.circle(ink, centre, radius, 255, cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS)
        return
    half = widths[:, None] / 2 * np.array([np.cos(nib), np.sin(nib)])
    thin = widths[:, None] / 8 * np.array([-np.sin(nib), np.cos(nib)])
    corners = np.rint(np.stack([line - half - thin, line + half - thin, line + half + thin, line - half + thin]) * one)
    for pair in zip(*(corners[:, :-1].transpose(1, 0, 2), corners[:, 1:].transpose(1, 0, 2)), strict=True):
        hull = cv2.convexHull(np.concatenate(pair).astype(np.int32))
        cv2.fillConvexPoly(ink, hull, 255, cv2.LINE_AA, _FRACTION_BITS)
