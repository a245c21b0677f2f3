"""Lines of MNIST's digits for `benchmarks.numbers.train`: their pieces as the service sees them, and what they say.

Among the digits are letters, signs and doodles, which say nothing. No pictures are taken: ink is drawn, softened and
broken, and goes straight to the service's pieces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.numbers.writing import Setting, character_ink, lines_ink, placed
from benchmarks.pictures import trace
from benchmarks.pictures.forms import irregular
from benchmarks.pictures.plan import LOOPS
from benchmarks.pictures.scene import Random
from benchmarks.pictures.strokes import Digit, Ink
from service.preprocessing.box import Box
from service.preprocessing.illumination import components
from service.preprocessing.numbers.lines import find_lines
from service.preprocessing.numbers.marks import writing_height
from service.preprocessing.numbers.pieces import FIGURE, Piece, ink_of
from service.preprocessing.numbers.sequence import strip
from training.synthesis import outliers

Images = npt.NDArray[np.uint8]
Digits = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
_LONGEST = 6  # digits
_SETTINGS = (
    Setting(),
    Setting(gap=(0.01, 0.08)),
    Setting(touching=1),
    Setting(touching=2),
    *[Setting(overlap=(0.0, 0.05))] * 3,
    Setting(overlap=(0.0, 0.15)),
)
_OTHERS = 0, 0, 0, 0, 0.3, 1  # of a line's characters: no digits
_DOODLES = 0.2  # of what is no digit
_NO_DIGIT = -1  # label
_LOW = 0.6, 1.1  # of the height: letters
_STRETCH = 0.04, 0.15, (-0.25, 0.5)  # logarithm of a digit's width, as MNIST has it: mean, deviation, bounds
_HEIGHT, _PEN = (24, 80), (0.04, 0.13)  # pixels; of the height
_UNEVEN = 0.3  # of the lines
_ROOM = 3  # pixels
_SPECK = 0.14  # of the writing's height
_TRACE, _WHOLE = 0.12, 0.75  # of a digit's ink: with more a piece has some of it; all
_ALL = 0.95  # of the ink of what is no digit: its parts may be digits, as the ring around a face
_WIDE = 0.55  # of a line's height: narrower ones have one digit
_KEPT = 0.5, 0.35, 1.0  # of the pieces that are no digit; one; several


class Text(NamedTuple):
    """What a piece says: its strip, uint8 [ROWS, columns], and its digits from left to right."""

    strip: Images
    digits: tuple[int, ...]


def texts(images: Images, labels: Digits, seed: int, others: Sequence[float] = _OTHERS) -> Iterator[Text]:
    """Yield what pieces of lines of digits say, uint8 [N, 28, 28] and their labels, without end.

    Of a line's characters such a share as one of `others` are no digits.
    """
    rng = np.random.default_rng(seed)
    faithful = cache(lambda at: trace.faithful(images[at], loops=LOOPS.get(int(labels[at]), 0)))
    while True:
        height = float(np.exp(rng.uniform(*np.log(_HEIGHT))))
        width = None if rng.random() < 1 / 3 else max(1.0, float(np.exp(rng.uniform(*np.log(_PEN)))) * height)
        chosen = rng.integers(0, len(images), rng.integers(1, _LONGEST + 1))
        chosen[rng.random(len(chosen)) < rng.choice(others)] = _NO_DIGIT
        if width is not None:
            chosen = chosen[[at == _NO_DIGIT or faithful(at) for at in chosen]]
        if len(chosen):
            said = np.where(chosen == _NO_DIGIT, _NO_DIGIT, labels[chosen].astype(int))
            inks = _drawn([None if at == _NO_DIGIT else images[at] for at in chosen], height, width, rng)
            yield from _texts(inks, said, height, rng)


def _drawn(images: Sequence[Digit | None], height: float, width: float | None, rng: Random) -> Ink:
    """Return the ink of each character of a line, None for what is no digit, float32 [characters, rows, columns]."""
    setting = _SETTINGS[rng.integers(len(_SETTINGS))]
    setting = replace(setting, sizes=rng.choice([0.1, 0.2]), baseline=rng.choice([0.04, 0.1]))
    slant, slope = rng.normal(0, 6), np.tan(np.radians(rng.uniform(-4, 4)))
    sizes = height * rng.uniform(1 - setting.sizes, 1 + setting.sizes, len(images))
    parts = [
        _no_digit(size, width or 0.1 * height, slant, rng)
        if image is None
        else _stretched(character_ink(image, size, width, slant, rng), rng)
        for image, size in zip(images, sizes, strict=True)
    ]
    return _turned(placed(parts, setting, height, slope, rng), rng)


def _no_digit(height: float, width: float, slant: float, rng: Random) -> Ink:
    """Return the ink of a letter, sign or doodle of those that a model learns to be certain of no digit from."""
    names = outliers.glyph_names()
    lines = outliers.doodle(rng) if rng.random() < _DOODLES else outliers.glyph(*names[rng.integers(len(names))])
    points = np.concatenate(lines)
    low, extent = points.min(axis=0), np.ptp(points, axis=0).max()
    drawn = irregular(tuple((line - low) / extent for line in lines), rng)
    return lines_ink(drawn, height * rng.uniform(*_LOW), width, slant, rng)


def _stretched(ink: Ink, rng: Random) -> Ink:
    """Return the ink of a digit wider or narrower."""
    mean, deviation, bounds = _STRETCH
    factor = np.exp(np.clip(rng.normal(mean, deviation), *bounds))
    return np.asarray(
        cv2.resize(ink, (max(1, round(ink.shape[1] * factor)), ink.shape[0]), interpolation=cv2.INTER_AREA)
    )


def _turned(inks: Ink, rng: Random) -> Ink:
    """Return the inks of a line turned and sheared alike, with room around them."""
    angle, shear = np.radians(rng.uniform(-4, 4)), rng.uniform(-0.05, 0.05)
    matrix = np.array([[np.cos(angle), shear - np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    height, width = inks.shape[1:]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ matrix.T
    moved = np.column_stack([matrix, _ROOM - corners.min(axis=0)])
    columns, rows = np.ceil(np.ptp(corners, axis=0) + 2 * _ROOM).astype(int).tolist()
    return np.stack([cv2.warpAffine(ink, moved, (columns, rows), flags=cv2.INTER_LINEAR) for ink in inks])


def _seen(inks: Ink, height: float, rng: Random) -> Ink:
    """Return how dark a line is in a picture: softened, thinner or thicker, some strokes uneven."""
    ink = cv2.GaussianBlur(inks.max(axis=0), (0, 0), rng.uniform(0.3, 2) * max(1, height / 60))
    least, full = rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9)
    ink = np.clip((ink - least) / (full - least), 0, 1)
    if rng.random() < _UNEVEN:
        grain = cv2.GaussianBlur(rng.normal(0, 1, ink.shape), (0, 0), rng.uniform(0.6, 2))
        ink = np.clip(ink - rng.uniform(0.2, 0.5) * np.where(grain > grain.std(), grain / grain.std(), 0), 0, 1)
    return np.asarray(ink, np.float32)


def _texts(inks: Ink, labels: Labels, height: float, rng: Random) -> Iterator[Text]:
    """Yield what the pieces say that the service finds in the ink of some characters, if as large as digits."""
    amount = _seen(inks, height, rng)
    _, marks, boxes = components((amount > 0.5).astype(np.uint8))
    heights, areas = boxes[1:, cv2.CC_STAT_HEIGHT], boxes[1:, cv2.CC_STAT_AREA]
    if not len(heights):
        return
    tall = writing_height(heights, areas)
    pieces = [
        Piece(label, Box(*map(int, box[:4])), float(box[4]))
        for label, box in enumerate(boxes)
        if label and max(box[2:4]) > _SPECK * tall
    ]
    for line in find_lines(pieces, tall):
        for piece in line.pieces:
            own = ink_of(piece, marks, amount)
            held = np.minimum(inks[:, *piece.box.slices(0)], own).sum(axis=(1, 2)) / inks.sum(axis=(1, 2))
            some, whole = held >= _TRACE, held >= np.where(labels >= 0, _WHOLE, _ALL)
            digits = labels[whole & (labels >= 0)]
            broken = (some & ~whole).any() or not some.any()
            wide = piece.box.width > _WIDE * line.height and piece.box.height > FIGURE * line.height
            if wide and not broken and rng.random() < _KEPT[min(len(digits), 2)]:
                seen, _ = strip(own, line.height)
                yield Text((255 * seen).astype(np.uint8), tuple(digits.tolist()))
