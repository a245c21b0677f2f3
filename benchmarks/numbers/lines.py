"""Lines of MNIST's digits for `benchmarks.numbers.train`: the parts of each as the service sees them, and their truth.

No pictures are taken: ink is drawn, softened and broken, and goes straight to the service's pieces and cuts.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.numbers.writing import Setting, character_ink, placed
from benchmarks.pictures import trace
from benchmarks.pictures.plan import LOOPS
from benchmarks.pictures.scene import Random
from benchmarks.pictures.strokes import Ink
from service.preprocessing.box import Box
from service.preprocessing.illumination import components
from service.preprocessing.numbers.candidates import Drawing, Part, spans_of
from service.preprocessing.numbers.cuts import find_cuts
from service.preprocessing.numbers.lines import find_lines
from service.preprocessing.numbers.marks import writing_height
from service.preprocessing.numbers.pieces import Piece
from service.preprocessing.numbers.segment import may_be_several

Images = npt.NDArray[np.uint8]
Digits = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_LONGEST = 6  # digits
_SETTINGS = (
    Setting(),
    Setting(gap=(0.01, 0.08)),
    Setting(touching=1),
    Setting(overlap=(0.0, 0.05)),
    Setting(overlap=(0.0, 0.05)),
    Setting(overlap=(0.05, 0.12)),
)
_HEIGHT, _PEN = (24, 110), (0.045, 0.13)  # pixels; of the height
_UNEVEN = 0.3  # of the lines
_ROOM = 3  # pixels
_OF_NONE = 0.5  # of the parts that are no digit at all: there are many
_SPECK = 0.14  # of the writing's height
_WRONG, _RIGHT = 0.65, 0.9  # of a digit's ink is in a part, and of no other's as much as is missing: none; wholly


class Truth(NamedTuple):
    """The parts of a line.

    `views` is float16 [parts, 2, *VIEW], `shares` float32 [parts, 11] how much each part is each digit, and none.
    """

    views: npt.NDArray[np.float16]
    shares: Floats


def lines(images: Images, labels: Digits, seed: int) -> Iterator[Truth]:
    """Yield the truth about lines of digits, uint8 [N, 28, 28] and their labels, without end."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(0, len(images), rng.integers(1, _LONGEST + 1))
        height = float(np.exp(rng.uniform(*np.log(_HEIGHT))))
        width = None if rng.random() < 1 / 3 else max(1.0, float(np.exp(rng.uniform(*np.log(_PEN)))) * height)
        if width is not None:
            chosen = chosen[[trace.faithful(images[at], loops=LOOPS.get(int(labels[at]), 0)) for at in chosen]]
        if len(chosen):
            yield from _truths(_drawn(images[chosen], height, width, rng), labels[chosen], height, rng)


def _drawn(images: Images, height: float, width: float | None, rng: Random) -> Ink:
    """Return the ink of each digit of a line, float32 [digits, rows, columns]."""
    setting = _SETTINGS[rng.integers(len(_SETTINGS))]
    setting = replace(setting, sizes=rng.choice([0.1, 0.2]), baseline=rng.choice([0.04, 0.1]))
    slant, slope = rng.normal(0, 6), np.tan(np.radians(rng.uniform(-4, 4)))
    sizes = height * rng.uniform(1 - setting.sizes, 1 + setting.sizes, len(images))
    parts = [character_ink(image, size, width, slant, rng) for image, size in zip(images, sizes, strict=True)]
    return _turned(placed(parts, setting, height, slope, rng), rng)


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


def _truths(inks: Ink, labels: Digits, height: float, rng: Random) -> Iterator[Truth]:
    """Yield the truth about what the service takes for lines in the ink of some digits."""
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
        cuts, _ = find_cuts([piece for piece in line.pieces if may_be_several(piece, line)], marks, amount)
        drawing, spans = Drawing(marks, amount), spans_of(line, cuts)
        parts = drawing.parts(spans, cuts, line.height)
        if parts:
            shares = _shares(parts, np.minimum(inks, amount), labels)
            kept = (shares[:, 10] < 1) | (rng.random(len(shares)) < _OF_NONE)
            yield Truth(drawing.views(spans, parts, line.height)[kept].astype(np.float16), shares[kept])


def _shares(parts: list[Part], inks: Ink, labels: Digits) -> Floats:
    """Return how much the parts of a line are each digit, and none; `inks` is the ink of each in the picture.

    A part is a digit as far as it has all of that, and nothing of another: by area a narrow 1 would count for little.
    """
    held = np.zeros((len(inks) + 1, len(parts)), np.float32)
    for column, part in zip(held.T, parts, strict=True):
        column[:-1] = np.minimum(inks[:, *part.box.slices(0)], part.ink).sum(axis=(1, 2))
    held[:-1] /= np.maximum(inks.sum(axis=(1, 2)), 1e-3)[:, np.newaxis]
    most, next_most = -np.partition(-held, 1, axis=0)[:2]
    right = np.clip((np.minimum(most, 1 - next_most) - _WRONG) / (_RIGHT - _WRONG), 0, 1)
    shares = np.zeros((len(right), 11), np.float32)
    shares[np.arange(len(right)), labels[held[:-1].argmax(axis=0)]], shares[:, 10] = right, 1 - right
    return shares
