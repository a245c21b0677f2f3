"""A digit as ink: MNIST's 28x28 enlarged with crisp edges, or lines drawn with a pen of any width.

Ink is float32 [height, width], 0 = paper, 1 = ink. Lines are polylines, float64 [points, 2] of x and y.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.float32]
Digit = npt.NDArray[np.uint8]
Line = npt.NDArray[np.float64]
Lines = tuple[Line, ...]

EDGE = 0.42  # of full ink: the edge of a stroke in an enlarged digit
SHIFT = 4  # cv2 draws at 1/16 of a pixel


def grown(digit: Digit, height: float) -> Ink:
    """Return the ink of `digit`, uint8 [28, 28], cropped, `height` pixels high.

    The strokes keep their relative width; their edges are as sharp as a scanner's.
    """
    cut = _cut(digit)
    scale = height / (cut.shape[0] - 2)
    if scale < 2:
        large = grown(digit, height * 8)
        side = [max(1, round(length / 8)) for length in large.shape[::-1]]
        return np.asarray(cv2.resize(large, side, interpolation=cv2.INTER_AREA))
    size = (round(cut.shape[1] * scale), round(cut.shape[0] * scale))
    soft = cv2.GaussianBlur(cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC), (0, 0), 0.4 * scale)
    return np.asarray(np.clip((soft - EDGE) * scale * 0.9 + 0.5, 0, 1), np.float32)


def penned(lines: Sequence[Line], height: float, width: float, *, rng: np.random.Generator | None = None) -> Ink:
    """Return `lines` drawn with a round pen, cropped: `height` (pen included) and pen `width` in pixels.

    With `rng` the pen's pressure varies a little along the line.
    """
    points = np.concatenate(lines)
    low, extent = points.min(0), np.ptp(points, axis=0)
    scale = max(height - width, 1.0) / max(extent[1], 0.6 * extent[0], 1e-6)
    margin = width / 2 + 1
    size = np.ceil(extent * scale + 2 * margin).astype(int)
    finer = 4 if width < 5 else 2 if width < 16 else 1
    canvas = np.zeros((size[1] * finer, size[0] * finer), np.uint8)
    for line in lines:
        _stroke(canvas, ((line - low) * scale + margin) * finer, width * finer, rng)
    if finer > 1:
        canvas = cv2.resize(canvas, (size[0], size[1]), interpolation=cv2.INTER_AREA)
    return np.asarray(canvas / 255, np.float32)


def subpixels(points: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Return points or lengths in pixels as cv2's fixed-point numbers with `SHIFT`."""
    return np.round(np.asarray(points, np.float64) * (1 << SHIFT)).astype(np.int32)


def slanted(lines: Lines, degrees: float) -> Lines:
    """Return `lines` sheared: to the right for positive `degrees`."""
    shear = np.tan(np.radians(degrees))
    return tuple(line @ np.array([[1, 0], [-shear, 1]]) for line in lines)


def rotated(lines: Lines, degrees: float) -> Lines:
    """Return `lines` turned clockwise."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return tuple(line @ np.array([[c, s], [-s, c]]) for line in lines)


def _cut(digit: Digit) -> Ink:
    rows, columns = np.nonzero(digit > 40)
    cut = digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.pad(np.asarray(cut, np.float32) / 255, 1)


def _stroke(canvas: npt.NDArray[np.uint8], line: Line, width: float, rng: np.random.Generator | None) -> None:
    points = subpixels(line - 0.5)
    if len(points) == 1:
        cv2.circle(canvas, points[0].tolist(), int(subpixels(width / 2)), 255, -1, cv2.LINE_AA, SHIFT)
    elif rng is None:
        cv2.polylines(canvas, [points], False, 255, _thickness(width), cv2.LINE_AA, SHIFT)
    else:
        pressure = 1 + 0.12 * _wander(rng, len(points))
        for start, end, factor in zip(points[:-1], points[1:], pressure[1:], strict=True):
            cv2.line(canvas, start.tolist(), end.tolist(), 255, _thickness(width * factor), cv2.LINE_AA, SHIFT)


def _thickness(width: float) -> int:
    """Return cv2's thickness for a line `width` pixels wide: it draws an antialiased 2n as 2n + 1.4."""
    return max(1, 2 * round((width - 1.4) / 2))


def _wander(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return a smooth random walk between about -1 and 1."""
    knots = rng.uniform(-1, 1, max(2, count // 12 + 2))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)
