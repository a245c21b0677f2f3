"""Lighting of a sheet: steps that make parts of a picture darker or lighter."""

import numpy as np

from benchmarks.pictures.scene import Box, Mask, Picture, Random, distance_from_a_line, lit, step

Range = tuple[float, float]

_SOFT = (0.003, 0.03)  # edge of a shadow: from hard to that of a nearby lamp


@step
def gradient(picture: Picture, _box: Box, rng: Random, depth: float) -> Picture:
    """Light that falls off to one side, to 1 - `depth` at the far end."""
    distance = distance_from_a_line(picture.shape[:2], rng)
    ramp = (distance - distance.min()) / max(1.0, float(np.ptp(distance)))
    return lit(picture, 1 - depth * ramp ** rng.uniform(0.8, 1.5))


@step
def vignette(picture: Picture, _box: Box, rng: Random, depth: float) -> Picture:
    """Light that falls off from somewhere near the middle to 1 - `depth` in the corners."""
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in picture.shape[:2])
    y, x = rng.uniform(-0.2, 0.2, 2)
    radius = ((rows - y) ** 2)[:, None] + (columns - x) ** 2
    return lit(picture, 1 - depth * radius / radius.max())


@step
def shadow(picture: Picture, _box: Box, rng: Random, depth: float, *, soft: Range = _SOFT) -> Picture:
    """A shadow with a straight edge, `soft` (of the longer side) wide; under it 1 - `depth` of the light remains."""
    return _shaded(picture, distance_from_a_line(picture.shape[:2], rng), depth, soft, rng)


@step
def curved_shadow(picture: Picture, box: Box, rng: Random, depth: float, *, soft: Range = _SOFT) -> Picture:
    """A round shadow, as of a head, with its edge near the digit."""
    edge = np.array([box.left + box.width / 2, box.top + box.height / 2]) + rng.uniform(-1, 1, 2) * box.height
    radius, angle = rng.uniform(0.25, 0.6) * max(picture.shape), rng.uniform(0, 2 * np.pi)
    x, y = edge + radius * np.array([np.cos(angle), np.sin(angle)])
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    return _shaded(picture, radius - np.hypot(rows - y, columns - x), depth, soft, rng)


def _shaded(picture: Picture, distance: Mask, depth: float, soft: Range, rng: Random) -> Picture:
    """Return the picture darkened where `distance` to the edge, in pixels, is positive."""
    width = max(0.7, rng.uniform(*soft) * max(picture.shape))
    share = 1 / (1 + np.exp(np.clip(-distance / width, -30, 30)))
    return lit(picture, 1 - depth * share)


@step
def glare(picture: Picture, _box: Box, rng: Random, strength: float) -> Picture:
    """The reflection of a lamp: a bright spot that washes out part of the picture."""
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    y, x = rng.uniform(0, 1, 2) * picture.shape[:2]
    radius = rng.uniform(0.15, 0.3) * max(picture.shape)
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
    return 1 - lit(1 - picture, 1 - strength * spot)
