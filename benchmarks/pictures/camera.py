"""Effects of the camera: perspective, blur, sharpening, noise, contrast, and quantisation to 8 bits."""

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.pictures import noise
from benchmarks.pictures.scene import Box, Picture, Random, step
from benchmarks.pictures.strokes import SHIFT, subpixels

Pixels = npt.NDArray[np.uint8]


def pixels(picture: Picture) -> Pixels:
    """Return the picture as uint8, [height, width] or [height, width, 3]."""
    levels = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(levels[..., 0] if levels.shape[2] == 1 else levels)


@step
def tilted(picture: Picture, _box: Box, rng: Random, turn: float, perspective: float) -> Picture:
    """The sheet seen at an angle: turned by up to `turn` degrees, its corners moved by up to `perspective` of a side.

    Beyond the edges the sheet is continued.
    """
    height, width = picture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    angle = np.radians(rng.uniform(-turn, turn))
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = corners.mean(0)
    moved = (corners - middle) @ rotation + middle + rng.uniform(-1, 1, (4, 2)) * perspective * min(height, width)
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    result = cv2.warpPerspective(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(result, np.float32).reshape(picture.shape)


@step
def blur(picture: Picture, box: Box, rng: Random, size: tuple[float, float]) -> Picture:
    """Out of focus: a Gaussian of `size` digit heights."""
    return _softened(picture, max(0.3, rng.uniform(*size) * box.height))


def _softened(picture: Picture, deviation: float) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.float32).reshape(picture.shape)


@step
def shaken(picture: Picture, box: Box, rng: Random, length: tuple[float, float]) -> Picture:
    """The camera moved by `length` digit heights during the exposure."""
    span = max(2.0, rng.uniform(*length) * box.height)
    side = 2 * int(span / 2 + 1) + 1
    angle = rng.uniform(0, np.pi)
    middle, reach = side / 2 - 0.5, span / 2 * np.array([np.cos(angle), np.sin(angle)])
    kernel = np.zeros((side, side), np.float32)
    start, end = subpixels([middle - reach, middle + reach]).tolist()
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, SHIFT)
    return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32).reshape(picture.shape)


@step
def sharpened(picture: Picture, _box: Box, _rng: Random, amount: float, radius: float = 1.5) -> Picture:
    """Unsharp mask, as phones apply it: bright seams along dark strokes."""
    return np.clip(picture + amount * (picture - _softened(picture, radius)), 0, 1)


@step
def noisy(picture: Picture, _box: Box, rng: Random, levels: float, grain: float = 0) -> Picture:
    """Sensor noise of `levels` grey levels (standard deviation), independent per channel; `grain` pixels wide."""
    shape = picture.shape[:2]
    layers = [noise.fine(rng, shape, grain) for _ in range(picture.shape[2])]
    return picture + np.stack(layers, axis=2) * (levels / 255)


@step
def faint(picture: Picture, box: Box, rng: Random, levels: float, grain: float = 0.8) -> Picture:
    """Compress the contrast to `levels` grey levels somewhere between black and white, with `grain` levels of noise."""
    lightest = rng.uniform(levels, 255) / 255
    squeezed = lightest - (1 - picture) * (levels / 255)
    return noisy(grain)(squeezed, box, rng)
