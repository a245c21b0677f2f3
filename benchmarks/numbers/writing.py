"""Numbers as ink: digits side by side, in one line or several.

Ink is float32 [height, width], 0 = paper, 1 = ink.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.pictures import strokes, trace
from benchmarks.pictures.forms import FORMS, irregular
from benchmarks.pictures.scene import Random
from benchmarks.pictures.strokes import Digit, Ink, Lines

Range = tuple[float, float]
_SLIGHT = (0.0, 0.05)  # of a width: the overlap of a pair that touches
Character = Digit | str  # MNIST's, uint8 [28, 28], or the name of one of FORMS


@dataclass(frozen=True)
class Setting:
    """How digits are placed; ranges are sampled uniformly.

    `gap` is between bounds, in digit heights; `overlap` brings strokes into contact and then moves them on by so much
    of a digit's width, of all neighbours, or by up to 5% of so many pairs as `touching` says. `sizes` and `baseline`
    are by how much heights and feet differ, in heights, `slope` is of the line in degrees. `cells` puts each digit into
    the middle of a cell so many heights wide. `leading` is from foot to foot of lines, in heights.
    """

    gap: Range = (0.08, 0.35)
    overlap: Range | None = None
    touching: int = 0
    sizes: float = 0.1
    baseline: float = 0.04
    slope: Range = (-1, 1)
    cells: float | None = None
    leading: Range = (1.5, 2.2)


@dataclass(frozen=True)
class Number:
    """The lines of characters to write."""

    lines: tuple[tuple[Character, ...], ...]


def number_ink(number: Number, setting: Setting, height: float, pen: Range | None, slant: float, rng: Random) -> Ink:
    """Return the ink of a number whose digits are about `height` pixels high.

    `pen` is the range of the pen's width in digit heights, None for the weight that digits have in MNIST.
    """
    width = None if pen is None else max(1.0, float(np.exp(rng.uniform(*np.log(pen)))) * height)
    slope = np.tan(np.radians(rng.uniform(*setting.slope)))
    rows = [_line(characters, setting, height, width, slant, slope, rng) for characters in number.lines]
    if len(rows) == 1:
        return rows[0]
    leading = [0, *np.cumsum(rng.uniform(*setting.leading, len(rows) - 1) * height).round().astype(int).tolist()]
    indents = (rng.uniform(0, 0.5, len(rows)) * height).astype(int)
    if setting.cells:
        indents[:] = 0
    bounds = [(top + row.shape[0], left + row.shape[1]) for row, top, left in zip(rows, leading, indents, strict=True)]
    block = np.zeros(np.max(bounds, axis=0), np.float32)
    for row, top, left in zip(rows, leading, indents, strict=True):
        part = block[top : top + row.shape[0], left : left + row.shape[1]]
        np.maximum(part, row, out=part)
    return block


def _line(
    characters: Sequence[Character],
    setting: Setting,
    height: float,
    width: float | None,
    slant: float,
    slope: float,
    rng: Random,
) -> Ink:
    parts = [
        character_ink(one, height * rng.uniform(1 - setting.sizes, 1 + setting.sizes), width, slant, rng)
        for one in characters
    ]
    return np.asarray(placed(parts, setting, height, slope, rng).max(axis=0), np.float32)


def placed(parts: Sequence[Ink], setting: Setting, height: float, slope: float, rng: Random) -> Ink:
    """Return the ink of each character of a line in its place, float32 [characters, height, width].

    `slope` is in pixels down for each pixel to the right.
    """
    lefts = _lefts(parts, setting, height, rng)
    feet = [rng.uniform(-1, 1) * setting.baseline * height + slope * left for left in lefts]
    if setting.cells:
        feet = [0.5 * (part.shape[0] - max(map(len, parts))) for part in parts]
    tops = [foot - part.shape[0] for part, foot in zip(parts, feet, strict=True)]
    top, right = min(tops), max(left + part.shape[1] for left, part in zip(lefts, parts, strict=True))
    left = min(lefts)
    if setting.cells:
        pitch = setting.cells * height
        left, right = 0, round(pitch * len(parts))
        top -= 0.5 * (0.35 * height)
    bottom = max(top_ + part.shape[0] for top_, part in zip(tops, parts, strict=True))
    bottom += 0.5 * (0.35 * height) if setting.cells else 0
    line = np.zeros((len(parts), int(np.ceil(bottom - top)) + 1, int(np.ceil(right - left)) + 1), np.float32)
    for canvas, part, x, y in zip(line, parts, lefts, tops, strict=True):
        row, column = max(0, int(y - top)), max(0, int(x - left))
        place = canvas[row : row + part.shape[0], column : column + part.shape[1]]
        place[:] = part[: place.shape[0], : place.shape[1]]
    return line


def _lefts(parts: Sequence[Ink], setting: Setting, height: float, rng: Random) -> list[int]:
    """Return where each part begins."""
    if setting.cells:
        pitch = setting.cells * height
        return [round((n + 0.5) * pitch - part.shape[1] / 2) for n, part in enumerate(parts)]
    lefts = [0]
    pairs = (
        set(rng.choice(len(parts) - 1, min(setting.touching, len(parts) - 1), replace=False).tolist())
        if len(parts) > 1
        else set()
    )
    for index, (before, part) in enumerate(pairwise(parts)):
        overlap = _SLIGHT if index in pairs else setting.overlap
        if overlap is None:
            step = before.shape[1] + rng.uniform(*setting.gap) * height
        else:
            step = _contact(before, part) - rng.uniform(*overlap) * part.shape[1]
        lefts.append(lefts[-1] + round(step))
    return lefts


def _contact(before: Ink, after: Ink) -> int:
    """Return where the second digit begins if its strokes just touch the first, both on one baseline."""
    rows = min(before.shape[0], after.shape[0])
    left, right = before[-rows:] > 0.5, after[-rows:] > 0.5
    ends = np.where(left.any(axis=1), left.shape[1] - left[:, ::-1].argmax(axis=1), -before.shape[1])
    starts = np.where(right.any(axis=1), right.argmax(axis=1), 2 * after.shape[1])
    return int((ends - starts).max())


def character_ink(one: Character, height: float, width: float | None, slant: float, rng: Random) -> Ink:
    """Return a character's ink, `height` and the pen's `width` in pixels, slanted by so many degrees."""
    if isinstance(one, str):
        lines: Lines = irregular(FORMS[one].lines(rng), rng)
        width = width or 0.09 * height
    elif width is None:
        return _tight(strokes.grown(one, height))
    else:
        lines = trace.traced(one)
    return lines_ink(lines, height, width, slant, rng)


def lines_ink(lines: Lines, height: float, width: float, slant: float, rng: Random) -> Ink:
    """Return the ink of lines drawn with a pen, as `character_ink`."""
    return _tight(strokes.penned(strokes.slanted(lines, slant), height, width, rng=rng))


def _tight(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
