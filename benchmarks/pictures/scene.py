"""Paper, ink and light: the steps that make a picture, each a function of the picture, the digit's box and a seed.

A picture is float32 [height, width, channels], 0 = black, 1 = white, with one channel if nothing is coloured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

import numpy as np
import numpy.typing as npt

from benchmarks.pictures.strokes import Ink

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Random = np.random.Generator
Colour = tuple[float, float, float]

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Box:
    """Where the digit is, in pixels."""

    left: int
    top: int
    width: int
    height: int


Step = Callable[[Picture, Box, Random], Picture]
_Options = ParamSpec("_Options")


def step(draw: Callable[Concatenate[Picture, Box, Random, _Options], Picture]) -> Callable[_Options, Step]:
    """Turn a function that changes a picture, by options, into one that returns the step for these options."""

    def with_options(*args: _Options.args, **options: _Options.kwargs) -> Step:
        return lambda picture, box, rng: draw(picture, box, rng, *args, **options)

    return with_options


def grey(level: float) -> Colour:
    """Return a grey as a colour."""
    return (level, level, level)


def blank(shape: tuple[int, int], colour: Colour) -> Picture:
    """Return a picture of one colour, with one channel if it is grey."""
    channels = colour[:1] if len(set(colour)) == 1 else colour
    return np.broadcast_to(np.array(channels, np.float32), (*shape, len(channels))).copy()


def colourful(picture: Picture) -> Picture:
    """Return the picture with three channels."""
    return picture if picture.shape[2] == 3 else np.repeat(picture, 3, axis=2)


def painted(picture: Picture, mask: Mask, colour: Colour) -> Picture:
    """Return the picture blended with `colour` by `mask`, [height, width] from 0 to 1."""
    if len(set(colour)) > 1:
        picture = colourful(picture)
    return picture + mask[..., None] * (np.array(colour[: picture.shape[2]], np.float32) - picture)


def lit(picture: Picture, light: Mask) -> Picture:
    """Return the picture multiplied by `light`, [height, width]."""
    return np.asarray(picture * light[..., None], np.float32)


def place(shape: tuple[int, int], ink: Ink, corner: tuple[int, int]) -> Mask:
    """Return `ink` in a frame of `shape`, its top left at `corner`, clipped to the frame."""
    mask = np.zeros(shape, np.float32)
    top, left = corner
    height, width = min(ink.shape[0], shape[0] - top), min(ink.shape[1], shape[1] - left)
    mask[top : top + height, left : left + width] = ink[:height, :width]
    return mask


def distance_from_a_line(shape: tuple[int, int], rng: Random) -> Mask:
    """Return the signed distance in pixels from a line in a random direction through the middle half of the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = rng.uniform(0.25, 0.75, 2) * shape
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle), np.float32)
