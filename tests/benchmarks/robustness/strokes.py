"""A digit as ink: MNIST's 28x28 grown to any size with crisp edges, or traced and drawn again with a pen of any width.

Ink is float32 [height, width], 0 = paper, 1 = ink. Lines are polylines, float64 [points, 2] of x and y.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.float32]
Digit = npt.NDArray[np.uint8]
Line = npt.NDArray[np.float64]
Lines = tuple[Line, ...]

_GROWTH = 3  # the skeleton is traced at this many times 28x28
_REACH = 6  # of the filter that smooths a traced line, in its pixels
_SHIFT = 4  # cv2 draws at 1/16 of a pixel
_LEVEL = 0.42  # of full ink: where the edge of a stroke lies in a grown digit
_SPECK = 0.06  # of a digit's ink: a smaller piece is the scanner's dirt
_LOST = 0.06  # of a digit's ink that may lie beside the lines that were traced
_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # clockwise from above


def grown(digit: Digit, height: float) -> Ink:
    """Return the ink of `digit`, uint8 [28, 28], as a picture cut to its edges and `height` pixels high.

    The strokes keep the weight that they have in MNIST; their edges are as sharp as a scanner's.
    """
    cut = _cut(digit)
    scale = height / (cut.shape[0] - 2)
    if scale < 2:
        large = grown(digit, height * 8)
        side = [max(1, round(length / 8)) for length in large.shape[::-1]]
        return np.asarray(cv2.resize(large, side, interpolation=cv2.INTER_AREA))
    size = (round(cut.shape[1] * scale), round(cut.shape[0] * scale))
    large = cv2.resize(cut, size, interpolation=cv2.INTER_CUBIC)
    large = cv2.GaussianBlur(large, (0, 0), 0.4 * scale)
    return np.asarray(np.clip((large - _LEVEL) * scale * 0.9 + 0.5, 0, 1), np.float32)


def penned(lines: Sequence[Line], height: float, width: float, *, rng: np.random.Generator | None = None) -> Ink:
    """Return `lines` drawn with a round pen as a picture cut to its edges: `height` and pen `width` in pixels.

    The height holds the pen too. With `rng` the pen's pressure varies a little along the line.
    """
    points = np.concatenate(lines)
    low, extent = points.min(0), np.ptp(points, axis=0)
    scale = max(height - width, 1.0) / max(extent[1], 0.6 * extent[0], 1e-6)
    margin = width / 2 + 1
    size = np.ceil(extent * scale + 2 * margin).astype(int)
    finer = 2 if width < 4 else 1  # cv2's own antialiasing knows whole widths only
    canvas = np.zeros((size[1] * finer, size[0] * finer), np.uint8)
    for line in lines:
        _stroke(canvas, ((line - low) * scale + margin) * finer, width * finer, rng)
    if finer > 1:
        canvas = cv2.resize(canvas, (size[0], size[1]), interpolation=cv2.INTER_AREA)
    return np.asarray(canvas, np.float32) / 255


def traced(digit: Digit) -> Lines:
    """Return the lines along the middle of the strokes of `digit`, uint8 [28, 28], in its pixels.

    Thinning after Zhang and Suen 1984; spurs shorter than a stroke is thick are dropped, the lines smoothed.
    """
    return _traced(digit.tobytes())


def faithful(digit: Digit) -> bool:
    """Tell whether the traced lines are still the digit: not where a loop is blotted or a stroke was lost."""
    mask = _large(digit) > _LEVEL
    beside = np.full(mask.shape, 255, np.uint8)
    for line in traced(digit):
        cv2.polylines(beside, [np.round(line * _GROWTH * 16).astype(np.int32)], False, 0, 1, cv2.LINE_8, _SHIFT)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    away = cv2.distanceTransform(beside, cv2.DIST_L2, 5)
    half = float(np.median(depth[beside == 0]))
    return bool((mask & (away > 1.5 * half + 1.5)).sum() <= _LOST * mask.sum())


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
    points = np.round((line - 0.5) * (1 << _SHIFT)).astype(np.int32)
    if rng is None or width < 3:
        cv2.polylines(canvas, [points], False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
        if len(line) == 1:
            cv2.circle(canvas, points[0].tolist(), round(width * 8), 255, -1, cv2.LINE_AA, _SHIFT)
        return
    pressure = 1 + 0.12 * _wander(rng, len(points))
    for start, end, factor in zip(points[:-1], points[1:], pressure[1:], strict=True):
        thickness = max(1, round(width * factor))
        cv2.line(canvas, start.tolist(), end.tolist(), 255, thickness, cv2.LINE_AA, _SHIFT)


def _wander(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return a smooth random walk between about -1 and 1."""
    knots = rng.uniform(-1, 1, max(2, count // 12 + 2))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)


def _large(digit: Digit) -> Ink:
    unit = np.asarray(digit, np.float32) / 255
    return np.asarray(cv2.resize(unit, None, fx=_GROWTH, fy=_GROWTH, interpolation=cv2.INTER_CUBIC))


@lru_cache(maxsize=1 << 14)
def _traced(content: bytes) -> Lines:
    side = int(np.sqrt(len(content)))
    large = _large(np.frombuffer(content, np.uint8).reshape(side, side))
    large = cv2.GaussianBlur(large, (0, 0), 0.35 * _GROWTH)
    # A hole that the scanner all but filled is a dip between two ridges: hold each place against its surroundings.
    dip = large < 0.85 * cv2.GaussianBlur(large, (0, 0), 1.6 * _GROWTH)
    mask = _without_specks((large > 0.33) & ~dip)
    thickness = 2 * mask.sum() / max(1, _edge_length(mask))
    lines = _paths(_thinned(mask), shortest=1.1 * thickness)
    return tuple(_smooth(line / _GROWTH) for line in lines)


def _without_specks(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= _SPECK * mask.sum()
    kept[0] = False
    return np.asarray(kept[pieces], bool)


def _edge_length(mask: npt.NDArray[np.bool_]) -> int:
    eroded = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    return int(mask.sum() - eroded.sum())


@lru_cache(maxsize=1)
def _deletable() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return for both passes which of the 256 neighbourhoods (a bit each, clockwise from above) lose their middle."""
    tables = np.zeros((2, 256), np.uint8)
    for code in range(256):
        p = [code >> bit & 1 for bit in range(8)]
        changes = sum(p[i] == 0 and p[(i + 1) % 8] == 1 for i in range(8))
        if 2 <= sum(p) <= 6 and changes == 1:
            tables[0, code] = not (p[0] and p[2] and p[4]) and not (p[2] and p[4] and p[6])
            tables[1, code] = not (p[0] and p[2] and p[6]) and not (p[0] and p[4] and p[6])
    return tables[0], tables[1]


def _thinned(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    image = np.pad(mask.astype(np.uint8), 1)
    kernel = np.zeros((3, 3), np.float32)
    for bit, (dy, dx) in enumerate(_NEIGHBOURS):
        kernel[1 + dy, 1 + dx] = 1 << bit
    while True:
        before = int(image.sum())
        for table in _deletable():
            codes = cv2.filter2D(image, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            image = image & (1 - cv2.LUT(codes, table))
        if int(image.sum()) == before:
            return image


def _paths(skeleton: npt.NDArray[np.uint8], shortest: float) -> list[Line]:
    """Return the skeleton as polylines between its ends and junctions, without the spurs shorter than `shortest`."""
    pixels = {(int(y), int(x)) for y, x in np.argwhere(skeleton)}
    graph = {pixel: _adjacent(pixel, pixels) for pixel in pixels}
    walks = _walks(graph)
    spurs = [walk for walk in walks if len(walk) < shortest and _is_spur(walk, graph)]
    if spurs and len(spurs) < len(walks):
        kept = pixels - {pixel for walk in spurs for pixel in walk if len(graph[pixel]) <= 2}
        walks = _walks({pixel: _adjacent(pixel, kept) for pixel in kept})
    return [np.array([(x, y) for y, x in walk], float) for walk in walks]


def _adjacent(pixel: tuple[int, int], pixels: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the neighbours of `pixel`: diagonal ones only where no straight one leads there."""
    y, x = pixel
    straight = [near for near in ((y - 1, x), (y, x + 1), (y + 1, x), (y, x - 1)) if near in pixels]
    diagonal = [
        (y + dy, x + dx)
        for dy, dx in ((-1, -1), (-1, 1), (1, 1), (1, -1))
        if (y + dy, x + dx) in pixels and (y + dy, x) not in pixels and (y, x + dx) not in pixels
    ]
    return straight + diagonal


def _is_spur(walk: Sequence[tuple[int, int]], graph: dict[tuple[int, int], list[tuple[int, int]]]) -> bool:
    degrees = sorted((len(graph[walk[0]]), len(graph[walk[-1]])))
    return degrees[0] == 1 and degrees[1] > 2


def _walks(graph: dict[tuple[int, int], list[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Return every edge of the pixel graph in one walk: from node to node first, then the closed rings."""
    used: set[frozenset[tuple[int, int]]] = set()
    walks = [[pixel] for pixel, near in graph.items() if not near]
    nodes = [pixel for pixel, near in graph.items() if len(near) not in (0, 2)]
    for start in [*nodes, *graph]:
        for step in graph[start]:
            if frozenset((start, step)) not in used:
                walks.append(_walk(start, step, graph, used))
    return walks


def _walk(start: Any, step: Any, graph: Any, used: set[frozenset[tuple[int, int]]]) -> list[tuple[int, int]]:
    walk = [start]
    while frozenset((walk[-1], step)) not in used:
        used.add(frozenset((walk[-1], step)))
        walk.append(step)
        if len(graph[step]) != 2:
            break
        step = next((near for near in graph[step] if near != walk[-2]), step)
    return walk


def _smooth(line: Line) -> Line:
    """Return `line` without the steps of the pixel grid; its ends stay where they are."""
    if len(line) <= _REACH:
        return line
    if np.all(line[0] == line[-1]):
        extended = np.concatenate([line[-_REACH - 1 : -1], line, line[1 : _REACH + 1]])
    else:
        before, after = 2 * line[0] - line[_REACH:0:-1], 2 * line[-1] - line[-2 : -_REACH - 2 : -1]
        extended = np.concatenate([before, line, after])
    weights = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / 1.8) ** 2)
    weights /= weights.sum()
    return np.stack([np.convolve(extended[:, axis], weights, "valid") for axis in (0, 1)], axis=1)
