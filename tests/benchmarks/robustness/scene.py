"""Paper, ink and light: the steps that make a picture, each a function of the picture, where the digit is, and a seed.

A picture is float32 [height, width, channels], 0 = black, 1 = white, with one channel where nothing has a colour.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tests.benchmarks.robustness import noise
from tests.benchmarks.robustness.strokes import Ink

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


def grey(level: float) -> Colour:
    """Return a colour without colour."""
    return (level, level, level)


def blank(shape: tuple[int, int], colour: Colour) -> Picture:
    """Return a picture of one colour; it has one channel where that is a grey."""
    channels = colour[:1] if len(set(colour)) == 1 else colour
    return np.broadcast_to(np.array(channels, np.float32), (*shape, len(channels))).copy()


def colourful(picture: Picture) -> Picture:
    """Return the picture with three channels."""
    return picture if picture.shape[2] == 3 else np.repeat(picture, 3, axis=2)


def painted(picture: Picture, mask: Mask, colour: Colour) -> Picture:
    """Return the picture with `colour` laid over it where `mask`, [height, width] of 0 to 1, says how much of it."""
    if len(set(colour)) > 1:
        picture = colourful(picture)
    return picture + mask[..., None] * (np.array(colour[: picture.shape[2]], np.float32) - picture)


def place(shape: tuple[int, int], ink: Ink, corner: tuple[int, int]) -> Mask:
    """Return `ink` in a frame of `shape`, its top left at `corner`; what stands over the frame is cut off."""
    mask = np.zeros(shape, np.float32)
    top, left = corner
    height, width = min(ink.shape[0], shape[0] - top), min(ink.shape[1], shape[1] - left)
    mask[top : top + height, left : left + width] = ink[:height, :width]
    return mask


# paper


def texture(depth: float, blur: float = 1.0) -> Step:
    """Grain of the paper: reflectance that varies by `depth` (one deviation), with grains `blur` pixels wide."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        shape = picture.shape[:2]
        return (
            picture * (1 + depth * (0.7 * noise.fine(rng, shape, blur) + 0.7 * noise.cloud(rng, shape, 12)))[..., None]
        )

    return step


def fibres(count: int, depth: float) -> Step:
    """Short dark and light fibres, as in recycled paper or card."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        marks = np.zeros(picture.shape[:2], np.float32)
        for _ in range(count):
            start = rng.uniform(0, 1, 2) * marks.shape[::-1]
            end = start + rng.uniform(-1, 1, 2) * 0.03 * max(marks.shape)
            shade = float(rng.choice([-1, 1]) * rng.uniform(0.3, 1))
            cv2.line(marks, np.int32(start).tolist(), np.int32(end).tolist(), shade, 1, cv2.LINE_AA)
        return picture * (1 + depth * marks)[..., None]

    return step


def ruled(
    colour: Colour, *, squares: bool = False, margin: bool = False, pitch: tuple[float, float] = (1.1, 1.7)
) -> Step:
    """Lines of a notebook, `pitch` digit heights apart, a little askew; `squares` has them both ways."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        shape = picture.shape[:2]
        gap = max(6.0, box.height * rng.uniform(*pitch))
        wide = max(1.0, gap * rng.uniform(0.02, 0.04))
        angle = rng.uniform(-0.03, 0.03)
        foot = box.top + box.height * (1 + rng.uniform(0.02, 0.12))
        mask = _stripes(shape, angle, gap, foot, wide)
        if squares:
            mask = np.maximum(mask, _stripes(shape, angle + np.pi / 2, gap, rng.uniform(0, gap), wide))
        picture = painted(picture, mask, colour)
        if margin:
            left = box.left - box.height * rng.uniform(0.3, 0.8)
            picture = painted(picture, _stripes(shape, angle + np.pi / 2, 1e6, -left, wide), (0.9, 0.45, 0.45))
        return picture

    return step


def _stripes(shape: tuple[int, int], angle: float, gap: float, start: float, wide: float) -> Mask:
    """Return parallel lines `wide` pixels wide, `gap` pixels apart, antialiased."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    across = rows * np.cos(angle) - columns * np.sin(angle) - start
    distance = np.abs((across + gap / 2) % gap - gap / 2)
    return np.asarray(np.clip(wide / 2 + 0.5 - distance, 0, 1), np.float32)


def form_box(colour: Colour, room: tuple[float, float], wide: float = 0.03) -> Step:
    """The printed box of a form around the digit, its lines `room` digit heights away from it."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        mask = np.zeros(picture.shape[:2], np.float32)
        gaps = rng.uniform(*room, 4) * box.height
        side = max(box.width, 0.6 * box.height)
        left = box.left + box.width / 2 - side / 2 - gaps[0]
        right = box.left + box.width / 2 + side / 2 + gaps[1]
        corners = [(left, box.top - gaps[2]), (right, box.top + box.height + gaps[3])]
        first, second = (np.int32(np.array(corner) * 16).tolist() for corner in corners)
        cv2.rectangle(mask, first, second, 1.0, max(1, round(wide * box.height)), cv2.LINE_AA, 4)
        return painted(picture, mask, colour)

    return step


def crease(depth: float, count: int = 1) -> Step:
    """Folds: on one side of each the paper is lighter, on the other darker, and the fold itself shows."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        for _ in range(count):
            distance = _distance_from_a_line(picture.shape[:2], rng)
            scale = 0.06 * max(picture.shape)
            relief = np.sign(distance) * np.exp(-np.abs(distance) / scale) * 0.6 - np.exp(-((distance / 1.3) ** 2))
            picture = picture * (1 + depth * relief)[..., None]
        return picture

    return step


def bleed_through(depth: float) -> Step:
    """The writing on the back of the sheet, blurred and faint."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        marks = np.zeros(picture.shape[:2], np.float32)
        for row in np.arange(rng.uniform(0, box.height), marks.shape[0], box.height * 0.9):
            columns = np.arange(0, marks.shape[1] + 8, 6.0)
            height = row + 0.25 * box.height * np.sin(
                columns / box.height * rng.uniform(4, 9) + rng.normal(0, 0.8, len(columns))
            )
            points = np.int32(np.stack([columns, height], 1) * 16)
            cv2.polylines(marks, [points], False, 1.0, max(1, box.height // 16), cv2.LINE_AA, 4)
        return picture * (1 - depth * cv2.GaussianBlur(marks, (0, 0), max(1.0, box.height / 40)))[..., None]

    return step


# what lies on the sheet or around it


def specks(count: int, size: tuple[float, float], colour: Colour = BLACK) -> Step:
    """Dust: dots and short hairs, `size` of a digit height long, anywhere."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        mask = np.zeros(picture.shape[:2], np.float32)
        for _ in range(count):
            centre = rng.uniform(0, 1, 2) * mask.shape[::-1]
            radius = max(0.5, rng.uniform(*size) * box.height / 2)
            axes = np.maximum(1, np.array([radius, radius * rng.uniform(0.3, 1)]) * 16)
            strength = float(rng.uniform(0.4, 1))
            where, extent = np.int32(centre * 16).tolist(), np.int32(axes).tolist()
            tilt = float(rng.uniform(0, 180))
            cv2.ellipse(mask, where, extent, tilt, 0, 360, strength, -1, cv2.LINE_AA, 4)
        return painted(picture, mask, colour)

    return step


def frame(colour: Colour, thick: tuple[float, float], sides: str = "tblr") -> Step:
    """An even border of `thick` (of the frame's shorter side) on the `sides` top, bottom, left, right."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        mask = np.zeros(picture.shape[:2], np.float32)
        side = min(mask.shape)
        widths = {name: max(1, round(rng.uniform(*thick) * side)) for name in sides}
        if "t" in widths:
            mask[: widths["t"]] = 1
        if "b" in widths:
            mask[-widths["b"] :] = 1
        if "l" in widths:
            mask[:, : widths["l"]] = 1
        if "r" in widths:
            mask[:, -widths["r"] :] = 1
        return painted(picture, mask, colour)

    return step


def table(colour: Colour, inset: tuple[float, float], *, grain: float = 0.15, corners: int = 4) -> Step:
    """The sheet lies askew on a table, which shows around it; with 2 `corners` on one side only."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        height, width = picture.shape[:2]
        offsets = rng.uniform(*inset, (4, 2)) * min(height, width)
        if corners == 2:
            offsets[[1, 2], 0] = -width
            offsets[:, 1] = -height
        outline = np.array([(0, 0), (width, 0), (width, height), (0, height)]) + offsets * [
            (1, 1),
            (-1, 1),
            (-1, -1),
            (1, -1),
        ]
        if corners == 2 and rng.random() < 0.5:
            outline[:, 0] = width - outline[:, 0]
        sheet = np.zeros((height, width), np.float32)
        cv2.fillPoly(sheet, [np.int32(outline * 16)], 1.0, cv2.LINE_AA, 4)
        wood = noise.cloud(rng, (height, width), 4) + cv2.resize(noise.cloud(rng, (height, 8), 60), (width, height))
        surface = np.array(colour, np.float32) * (1 + grain * wood)[..., None]
        shade = cv2.GaussianBlur(sheet, (0, 0), 0.01 * width + 1)
        surface = surface * (1 - 0.5 * shade)[..., None]
        if len(set(colour)) == 1 and picture.shape[2] == 1:
            surface = surface[..., :1]
        return np.asarray(
            surface
            + sheet[..., None] * (colourful(picture) if surface.shape[2] == 3 else picture)
            - sheet[..., None] * surface,
            np.float32,
        )

    return step


# light


def gradient(depth: float) -> Step:
    """Light that falls off to one side, to 1 - `depth` at the far end."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        distance = _distance_from_a_line(picture.shape[:2], rng)
        ramp = (distance - distance.min()) / max(1.0, float(np.ptp(distance)))
        return picture * (1 - depth * ramp ** rng.uniform(0.8, 1.5))[..., None]

    return step


def vignette(depth: float) -> Step:
    """Light that falls off from somewhere near the middle to 1 - `depth` in the corners."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) for n in picture.shape[:2])
        y, x = rng.uniform(-0.2, 0.2, 2)
        radius = ((rows - y) ** 2)[:, None] + (columns - x) ** 2
        return picture * (1 - depth * radius / radius.max())[..., None]

    return step


def shadow(depth: float, *, curved: bool = False, soft: tuple[float, float] = (0.003, 0.03)) -> Step:
    """A shadow over part of the picture with an edge `soft` (of the longer side): of a wall or a head."""

    def step(picture: Picture, box: Box, rng: Random) -> Picture:
        shape = picture.shape[:2]
        if curved:
            centre = np.array([box.left + box.width / 2, box.top + box.height / 2]) + rng.uniform(-1, 1, 2) * box.height
            radius = rng.uniform(0.25, 0.6) * max(shape)
            angle = rng.uniform(0, 2 * np.pi)
            centre = centre + radius * np.array([np.cos(angle), np.sin(angle)])
            rows, columns = np.ogrid[: shape[0], : shape[1]]
            distance = radius - np.hypot(rows - centre[1], columns - centre[0])
        else:
            distance = _distance_from_a_line(shape, rng)
        edge = max(0.7, rng.uniform(*soft) * max(shape))
        return picture * (1 - depth / (1 + np.exp(np.clip(-distance / edge, -30, 30))))[..., None]

    return step


def glare(strength: float) -> Step:
    """The reflection of a lamp: a bright spot that washes part of the picture out."""

    def step(picture: Picture, _box: Box, rng: Random) -> Picture:
        rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
        y, x = rng.uniform(0, 1, 2) * picture.shape[:2]
        radius = rng.uniform(0.15, 0.3) * max(picture.shape)
        spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
        return picture + strength * spot[..., None] * (1 - picture)

    return step


def _distance_from_a_line(shape: tuple[int, int], rng: Random) -> Mask:
    """Return the signed distance in pixels from a line in a random direction through the middle half of the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = rng.uniform(0.25, 0.75, 2) * shape
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((columns - x) * np.cos(angle) + (rows - y) * np.sin(angle), np.float32)
