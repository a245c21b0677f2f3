"""An MNIST digit as lines: the path of the pen, to be redrawn with another pen.

Lines are polylines, float64 [points, 2] of x and y in the digit's pixels.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.pictures.strokes import EDGE, SHIFT, Digit, Ink, Line, Lines, subpixels

Mask = npt.NDArray[np.bool_]
Pixel = tuple[int, int]
Graph = dict[Pixel, list[Pixel]]

_GROWTH = 3  # the skeleton is traced at this many times 28x28
_SPECK = 0.06  # of a digit's ink: smaller pieces are dirt
_LOST = 0.06  # of a digit's ink that may lie outside the traced lines
_LOOP = 3  # least pixels of a hole in the enlarged digit
_REACH = 6  # in pixels, of the filter that smooths a traced line
_NEIGHBOURS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # clockwise from above


def traced(digit: Digit) -> Lines:
    """Return the centre lines of the strokes of `digit`, uint8 [28, 28], in its pixels.

    Thinning after Zhang and Suen 1984; spurs shorter than the stroke width are dropped, the lines smoothed.
    """
    return _traced(digit.tobytes())


def faithful(digit: Digit, *, loops: int = 0) -> bool:
    """Return whether the traced lines still show the digit, with at least `loops` closed loops.

    They do not if the scanner filled a loop, or if a stroke was lost, broken or merged with another.
    """
    large = _large(digit)
    lines = _drawn(traced(digit))
    whole = _pieces(cv2.dilate(lines, np.ones((3, 3), np.uint8)) > 0) <= _pieces(_without_specks(large > EDGE / 2))
    found = _holes(lines > 0)
    seen = max(_holes(large > level) for level in (0.3, EDGE, 0.55, 0.7))
    return whole and found == max(seen, loops) and _beside(large > EDGE, lines) <= _LOST


def _drawn(lines: Lines) -> Digit:
    """Return the lines one pixel wide, at the size of the skeleton."""
    image = np.zeros((28 * _GROWTH, 28 * _GROWTH), np.uint8)
    for line in lines:
        cv2.polylines(image, [subpixels(line * _GROWTH)], False, 255, 1, cv2.LINE_8, SHIFT)
    return image


def _beside(mask: Mask, lines: Digit) -> float:
    """Return the share of the ink further from the lines than the stroke width."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    away = cv2.distanceTransform(255 - lines, cv2.DIST_L2, 5)
    half = float(np.median(depth[lines > 0]))
    return float((mask & (away > 1.5 * half + 1.5)).sum() / mask.sum())


def _pieces(mask: Mask) -> int:
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0]) - 1


def _holes(mask: Mask) -> int:
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    return int((stats[2:, cv2.CC_STAT_AREA] >= _LOOP).sum())


def _large(digit: Digit) -> Ink:
    unit = np.asarray(digit, np.float32) / 255
    return np.asarray(cv2.resize(unit, None, fx=_GROWTH, fy=_GROWTH, interpolation=cv2.INTER_CUBIC))


@lru_cache(maxsize=1 << 14)
def _traced(content: bytes) -> Lines:
    side = int(np.sqrt(len(content)))
    large = _large(np.frombuffer(content, np.uint8).reshape(side, side))
    large = np.asarray(cv2.GaussianBlur(large, (0, 0), 0.35 * _GROWTH))
    # A hole that the scanner nearly filled is a dip between two ridges: compare each place with its surroundings.
    dip = large < 0.85 * cv2.GaussianBlur(large, (0, 0), 1.6 * _GROWTH)
    mask = _without_specks((large > 0.33) & ~dip)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    thickness = 2 * mask.sum() / max(1, int(mask.sum() - inside.sum()))
    lines = _paths(_thinned(mask), shortest=1.1 * thickness)
    return tuple(_smooth(line / _GROWTH) for line in lines)


def _without_specks(mask: Mask) -> Mask:
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= _SPECK * mask.sum()
    kept[0] = False
    return np.asarray(kept[pieces], bool)


@lru_cache(maxsize=1)
def _deletable() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return for both passes which of the 256 neighbourhoods (one bit each, clockwise from above) are deleted."""
    tables = np.zeros((2, 256), np.uint8)
    for code in range(256):
        p = [code >> bit & 1 for bit in range(8)]
        changes = sum(p[i] == 0 and p[(i + 1) % 8] == 1 for i in range(8))
        if 2 <= sum(p) <= 6 and changes == 1:
            tables[0, code] = not (p[0] and p[2] and p[4]) and not (p[2] and p[4] and p[6])
            tables[1, code] = not (p[0] and p[2] and p[6]) and not (p[0] and p[4] and p[6])
    return tables[0], tables[1]


def _thinned(mask: Mask) -> npt.NDArray[np.uint8]:
    image = np.pad(mask.astype(np.uint8), 1)
    kernel = np.zeros((3, 3), np.float32)
    for bit, (dy, dx) in enumerate(_NEIGHBOURS):
        kernel[1 + dy, 1 + dx] = 1 << bit
    while True:
        before = int(image.sum())
        for table in _deletable():
            codes = cv2.filter2D(image, cv2.CV_8U, kernel, borderType=cv2.BORDER_CONSTANT)
            image = image & (1 - np.asarray(cv2.LUT(codes, table), np.uint8))
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


def _adjacent(pixel: Pixel, pixels: set[Pixel]) -> list[Pixel]:
    """Return the neighbours of `pixel`: diagonal ones only if no straight one leads there."""
    y, x = pixel
    straight = [near for near in ((y - 1, x), (y, x + 1), (y + 1, x), (y, x - 1)) if near in pixels]
    diagonal = [
        (y + dy, x + dx)
        for dy, dx in ((-1, -1), (-1, 1), (1, 1), (1, -1))
        if (y + dy, x + dx) in pixels and (y + dy, x) not in pixels and (y, x + dx) not in pixels
    ]
    return straight + diagonal


def _is_spur(walk: Sequence[Pixel], graph: Graph) -> bool:
    degrees = sorted((len(graph[walk[0]]), len(graph[walk[-1]])))
    return degrees[0] == 1 and degrees[1] > 2


def _walks(graph: Graph) -> list[list[Pixel]]:
    """Return every edge of the pixel graph once: from node to node first, then the closed rings."""
    used: set[frozenset[Pixel]] = set()
    walks = [[pixel] for pixel, near in graph.items() if not near]
    nodes = [pixel for pixel, near in graph.items() if len(near) not in (0, 2)]
    for start in [*nodes, *graph]:
        for step in graph[start]:
            if frozenset((start, step)) not in used:
                walks.append(_walk(start, step, graph, used))
    return walks


def _walk(start: Pixel, step: Pixel, graph: Graph, used: set[frozenset[Pixel]]) -> list[Pixel]:
    walk = [start]
    while frozenset((walk[-1], step)) not in used:
        used.add(frozenset((walk[-1], step)))
        walk.append(step)
        if len(graph[step]) != 2:
            break
        step = next((near for near in graph[step] if near != walk[-2]), step)
    return walk


def _smooth(line: Line) -> Line:
    """Return `line` without the steps of the pixel grid; its ends stay fixed."""
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
