"""How a digit is drawn and photographed: `Look` describes it, `picture_of` does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.pictures import camera, files, noise, scene, strokes, trace
from benchmarks.pictures.scene import Box, Colour, Picture, Random, Step, grey
from benchmarks.pictures.strokes import Digit, Ink, Lines

Range = tuple[float, float]


_PNG = files.png()


@dataclass(frozen=True)
class Look:
    """The steps from a digit to a file; ranges are sampled uniformly for each picture.

    `side` is the frame's longer side in pixels and `aspect` its width divided by its height; `height` is the digit's
    height in frame heights, `margin` its distance from the edges in shorter sides. `pen` is the stroke width in digit
    heights, None for MNIST's own. `slant` and `turn` are degrees to either side. `paper` and `ink` are lists to choose
    from; each is lightened or darkened by up to `vary`. `grain` is the share of a stroke that the paper's grain leaves
    white, `skips` the share that a drying pen leaves out. `under` is applied to the sheet before the ink, `over` after.
    """

    side: Range = (200, 300)
    aspect: Range = (0.75, 1.33)
    height: Range = (0.4, 0.65)
    margin: float = 0.05
    pen: Range | None = (0.055, 0.12)
    slant: Range = (0, 0)
    turn: Range = (0, 0)
    paper: tuple[Colour, ...] = (grey(0.93),)
    ink: tuple[Colour, ...] = (grey(0.15),)
    vary: float = 0.06
    grain: float = 0
    skips: float = 0
    under: tuple[Step, ...] = ()
    over: tuple[Step, ...] = ()
    noise: float = 1.0
    encode: files.Encoder = _PNG


def picture_of(look: Look, digit: Digit, rng: Random) -> bytes:
    """Return a file with the MNIST digit, uint8 [28, 28], 0 = background, drawn as `look` says."""
    if look.pen is None:
        return picture_of_ink(look, lambda height: strokes.grown(digit, height), rng)
    return picture_of_lines(look, trace.traced(digit), rng)


def picture_of_lines(look: Look, lines: Lines, rng: Random) -> bytes:
    """Return a file with the lines drawn with a pen as `look` says."""
    lines = strokes.slanted(lines, _either_side(look.slant, rng))
    lines = strokes.rotated(lines, _either_side(look.turn, rng))
    width = np.exp(rng.uniform(*np.log(look.pen or (0.1, 0.1))))
    return picture_of_ink(look, lambda height: strokes.penned(lines, height, max(1.0, width * height), rng=rng), rng)


def picture_of_ink(look: Look, draw: Callable[[float], Ink], rng: Random) -> bytes:
    """Return a file with the ink that `draw` returns for a height in pixels."""
    shape = _frame(look, rng)
    room = [max(1, round(length - 2 * look.margin * min(shape))) for length in shape]
    ink = _fitting(draw, rng.uniform(*look.height) * shape[0], room)
    top, left = (_start(*lengths, look.margin * min(shape), rng) for lengths in zip(shape, ink.shape, strict=True))
    box = Box(left, top, ink.shape[1], ink.shape[0])
    picture = _drawn(look, shape, ink, box, rng)
    return look.encode(camera.pixels(picture))


def _fitting(draw: Callable[[float], Ink], height: float, room: Sequence[int]) -> Ink:
    """Return the ink at `height`, or at the largest height that fits into `room` (rows, columns)."""
    ink = draw(height)
    while (excess := max(ink.shape[0] / room[0], ink.shape[1] / room[1])) > 1 and height > 1:
        height /= max(excess, 1.01)
        ink = draw(height)
    return ink


def _drawn(look: Look, shape: tuple[int, int], ink: Ink, box: Box, rng: Random) -> Picture:
    picture = scene.blank(shape, _shade(look.paper, look.vary, rng))
    colour = _shade(look.ink, look.vary, rng)
    for step in look.under:
        picture = step(picture, box, rng)
    mask = scene.place(shape, ink, (box.top, box.left))
    picture = scene.painted(picture, _worn(mask, look, box, rng), colour)
    for step in look.over:
        picture = step(picture, box, rng)
    return camera.noisy(look.noise)(picture, box, rng) if look.noise else picture


def _worn(mask: Ink, look: Look, box: Box, rng: Random) -> Ink:
    """Return the ink that reached the paper."""
    if look.grain:
        mask = mask * np.clip(1 - look.grain * (0.5 + 0.5 * noise.fine(rng, mask.shape, 0.7)), 0, 1)
    if look.skips:
        streaks = noise.cloud(rng, mask.shape, max(mask.shape) / (0.05 * box.height))
        bare = streaks > np.quantile(streaks, 1 - look.skips)
        mask = mask * (1 - cv2.GaussianBlur(bare.astype(np.float32), (0, 0), 0.7))
    return np.asarray(mask, np.float32)


def _frame(look: Look, rng: Random) -> tuple[int, int]:
    """Return height and width."""
    side, aspect = rng.uniform(*look.side), np.exp(rng.uniform(*np.log(look.aspect)))
    return max(1, round(side / max(1, aspect))), max(1, round(side * min(1, aspect)))


def _start(length: int, extent: int, margin: float, rng: Random) -> int:
    low, high = min(margin, (length - extent) / 2), max(length - extent - margin, (length - extent) / 2)
    return max(0, round(rng.uniform(low, high)))


def _shade(colours: tuple[Colour, ...], vary: float, rng: Random) -> Colour:
    colour = colours[int(rng.integers(len(colours)))]
    change = rng.uniform(-vary, vary)
    red, green, blue = (float(np.clip(level + change, 0, 1)) for level in colour)
    return (red, green, blue)


def _either_side(degrees: Range, rng: Random) -> float:
    return float(rng.uniform(*degrees) * rng.choice([-1, 1]))
