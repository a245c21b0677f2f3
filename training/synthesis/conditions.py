"""The conditions under which digits reach the service: pens, paper, light, cameras, scanners, small bitmaps.

    digit -> enlarge -> reweight -> turn -> a picture as somebody would send it -> the canonical form

The result is what the service gives its model, so the model learns the service's preprocessing too.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.errors import RequestError
from service.preprocessing.mnist_format import canonical_digit
from training.data.mnist import Bytes

Shade = npt.NDArray[np.float32]  # [height, width]

_CORNER = np.float32(1.4143)  # from the middle of a square with half-side 1
_ENLARGED = 112  # pixels of an MNIST digit with its margin


def seen(ink: Bytes, random: np.random.Generator) -> Bytes | None:
    """Return the canonical form, uint8 [28, 28], of a random picture of `ink`; None if it is rejected.

    `ink` is uint8 [height, width], 0 = paper, 255 = ink.
    """
    try:
        return canonical_digit(picture(ink, random))
    except RequestError:
        return None


def picture(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Return `ink` under random conditions, as grey levels, uint8 [height, width]."""
    written = turn(reweight(ink, random), random)
    condition = CONDITIONS[int(np.searchsorted(_CHANCES, random.random() * _CHANCES[-1]))]
    return condition.take(written, random)


def enlarge(digit: Bytes) -> Bytes:
    """Return an MNIST digit, uint8 [28, 28], at four times its size with edges as sharp as a pen's."""
    smooth = cv2.resize(digit.astype(np.float32), (_ENLARGED, _ENLARGED), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(smooth, (0, 0), 1.2)
    return _bytes((soft - 127) * 3 + 127)


def reweight(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Return the strokes thinner, unchanged or bolder."""
    choice = random.random()
    if choice < 0.3:
        return thin(ink, random.uniform(0.2, 0.65))
    if choice < 0.6:
        radius = random.uniform(0.005, 0.035) * max(ink.shape)
        return embolden(ink, radius)
    return ink


def thin(ink: Bytes, share: float) -> Bytes:
    """Return the strokes without their outer `share`; the middle line stays, so hardly any break."""
    depth = cv2.distanceTransform((ink > 127).astype(np.uint8), cv2.DIST_L2, 3)
    middle = cv2.dilate(depth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15)))
    return _bytes(255 * (depth - share * middle + 0.5) * (depth > 0))


def embolden(ink: Bytes, radius: float) -> Bytes:
    """Return the strokes wider by `radius` pixels on either side."""
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))), np.uint8)


def turn(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Return the ink slanted and rotated a little, in a frame that holds all of it."""
    height, width = ink.shape
    angle, slant = random.normal(0, 0.06), random.normal(0, 0.1)
    cosine, sine = np.cos(angle), np.sin(angle)
    linear = np.array([[cosine, -sine - slant], [sine, cosine]])
    side = int(1.3 * max(height, width))
    shift = side / 2 - linear @ [width / 2, height / 2]
    placed = cv2.warpAffine(ink, np.column_stack([linear, shift]), (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(placed, np.uint8)


def canvas(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Draw on a screen: even colours, dark on light or light on dark, smoothed or not."""
    drawn = place(ink, random)
    if random.random() < 0.2:
        drawn = np.where(drawn > 0.5, np.float32(1), np.float32(0))
    paper, contrast = random.uniform(200, 255), random.uniform(100, 200)
    return _maybe_inverted(_bytes(paper - contrast * drawn), 0.5, random)


def photograph(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Take a photograph of pen on paper."""
    drawn = grain(place(ink, random), random)
    paper = random.uniform(120, 250)
    levels = paper - random.uniform(0.3, 0.9) * paper * drawn
    if random.random() < 0.12:
        levels -= random.uniform(0.06, 0.25) * paper * ruling(levels.shape, random) * (1 - drawn)
    levels *= light(levels.shape, random)
    if random.random() < 0.5:
        levels += texture(levels.shape, random)
    sharp = cv2.GaussianBlur(levels, (0, 0), random.uniform(0.3, 0.012 * min(levels.shape) + 0.3))
    noisy = sharp + random.uniform(0, 7) * random.standard_normal(levels.shape, np.float32)
    return _maybe_inverted(_maybe_jpeg(_bytes(noisy), 0.6, random), 0.1, random)


def scan(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Scan: white paper, even light, a little noise, perhaps two levels only."""
    drawn = grain(place(ink, random), random)
    levels = (
        250 - random.uniform(90, 245) * drawn + random.uniform(0, 4) * random.standard_normal(drawn.shape, np.float32)
    )
    if random.random() < 0.3:
        levels = np.where(levels > levels.min() * 0.5 + 125, np.float32(255), np.float32(0))
    return _maybe_inverted(_maybe_jpeg(_bytes(levels), 0.3, random), 0.2, random)


def bitmap(ink: Bytes, random: np.random.Generator) -> Bytes:
    """Shrink to a small bitmap, stretched to fill it, as in data sets of forms; sometimes enlarged again."""
    side = int(random.choice([8, 16, 20, 32]))
    small = stretched(tight(ink), side, random)
    if side > 8 or random.random() < 0.3:
        small = np.where(small > small.max() * random.uniform(0.3, 0.55), np.uint8(255), np.uint8(0))
    small = np.pad(small, int(random.integers(0, 3)))
    if random.random() < 0.35:
        times = int(random.integers(2, 9))
        small = np.repeat(np.repeat(small, times, axis=0), times, axis=1)
    return _maybe_inverted(small, 0.5, random)


def tight(ink: Bytes) -> Bytes:
    """Return the smallest rectangle that holds all ink."""
    left, top, width, height = cv2.boundingRect((ink > 64).view(np.uint8))
    return ink[top : top + height, left : left + width] if width else ink


def stretched(ink: Bytes, side: int, random: np.random.Generator) -> Bytes:
    """Return the ink `side` pixels high and nearly as wide, at most three and a half times as wide as it was."""
    height, width = ink.shape
    own = width / height * side
    widest = min(side, 3.5 * own)
    wide = widest if random.random() < 0.6 else random.uniform(min(own, widest), widest)
    return np.asarray(cv2.resize(ink, (max(1, round(wide)), side), interpolation=cv2.INTER_AREA), np.uint8)


def place(ink: Bytes, random: np.random.Generator) -> Shade:
    """Return the ink somewhere in a larger picture, from 0 to 1; sometimes its end is cut off."""
    cut = tight(ink)
    side = int(np.exp(random.uniform(np.log(28), np.log(220))))
    longest = max(10, round(side * random.uniform(0.3, 0.95)))
    scale = longest / max(cut.shape)
    size = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
    small = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    height, width = side, round(side * random.uniform(0.8, 1.25))
    height, width = max(height, small.shape[0] + 2), max(width, small.shape[1] + 2)
    sheet = np.zeros((height, width), np.float32)
    top, left = (int(random.integers(1, max(2, room))) for room in (height - small.shape[0], width - small.shape[1]))
    sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    sheet /= 255
    return cut_off(sheet, (top, left), small.shape, random) if random.random() < 0.06 else sheet


def cut_off(sheet: Shade, corner: tuple[int, int], size: tuple[int, ...], random: np.random.Generator) -> Shade:
    """Return the sheet without what lies beyond a line that cuts off a little of the ink at `corner`."""
    axis, share = int(random.integers(2)), random.uniform(0.02, 0.1)
    lost = corner[axis] + round(share * size[axis])
    kept = corner[axis] + round((1 - share) * size[axis])
    part = slice(lost, None) if random.random() < 0.5 else slice(None, max(kept, 2))
    return sheet[part] if axis == 0 else sheet[:, part]


def grain(drawn: Shade, random: np.random.Generator) -> Shade:
    """Return the ink uneven, as a pencil's or a dry pen's is."""
    if random.random() < 0.5:
        return drawn
    rough: Shade = drawn * (1 - random.uniform(0.1, 0.5) * random.random(drawn.shape, np.float32))
    return rough


def light(shape: tuple[int, ...], random: np.random.Generator) -> Shade:
    """Return the share of light that falls on each pixel: brighter on one side, darker in the corners, in shadow."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    angle = random.uniform(0, 2 * np.pi)
    across = np.float32(np.cos(angle)) * x[None, :] + np.float32(np.sin(angle)) * y[:, None]
    bright = 1 - np.float32(random.uniform(0, 0.22)) * (across + _CORNER) / (2 * _CORNER)
    if random.random() < 0.3:
        bright *= 1 - np.float32(random.uniform(0, 0.15)) * (x[None, :] ** 2 + y[:, None] ** 2)
    if random.random() < 0.15:
        edge = np.clip((across - random.uniform(-1, 1)) * random.uniform(3, 30), 0, 1)
        bright *= 1 - np.float32(random.uniform(0.1, 0.35)) * edge
    shares: Shade = bright.astype(np.float32)
    return shares


def ruling(shape: tuple[int, ...], random: np.random.Generator) -> Shade:
    """Return where a ruled or squared sheet has its lines, 0 or 1."""
    lines = np.zeros(shape, np.float32)
    distance = int(max(shape) * random.uniform(0.12, 0.5)) + 4
    thick = 1 + max(shape) // 120
    for start in range(int(random.integers(distance)), shape[0], distance):
        lines[start : start + thick] = 1
    if random.random() < 0.5:
        for start in range(int(random.integers(distance)), shape[1], distance):
            lines[:, start : start + thick] = 1
    return lines


def texture(shape: tuple[int, ...], random: np.random.Generator) -> Shade:
    """Return what a paper's fibres add to its levels: smooth noise."""
    noise = cv2.GaussianBlur(random.standard_normal(shape, np.float32), (0, 0), random.uniform(0.6, 2.5))
    fibres: Shade = noise * np.float32(random.uniform(0, 5) / max(float(noise.std()), 1e-6))
    return fibres


def _maybe_jpeg(levels: Bytes, chance: float, random: np.random.Generator) -> Bytes:
    if random.random() >= chance:
        return levels
    _, encoded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(35, 95))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _maybe_inverted(levels: Bytes, chance: float, random: np.random.Generator) -> Bytes:
    return 255 - levels if random.random() < chance else levels


def _bytes(levels: npt.NDArray[Any]) -> Bytes:
    """Return grey levels, of any type, as uint8."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(levels, 0)), np.uint8)


class Condition(NamedTuple):
    """A way to bring ink into a picture, and its relative frequency."""

    take: Callable[[Bytes, np.random.Generator], Bytes]
    weight: float


CONDITIONS = (
    Condition(canvas, 0.2),
    Condition(photograph, 0.35),
    Condition(scan, 0.15),
    Condition(bitmap, 0.3),
)
_CHANCES = np.cumsum([condition.weight for condition in CONDITIONS])
