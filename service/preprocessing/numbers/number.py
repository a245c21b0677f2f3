"""The best paths through the lines of a picture -> its number, and whether it is certain."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Row
from service.preprocessing.numbers.path import Path, Probabilities, best_paths
from service.preprocessing.numbers.pieces import FIGURE

#: A certain number has at least this log-likelihood, and this margin to every other reading.
#: Chosen on numbers written with MNIST's validation digits: docs/numbers.md.
_SURE, _APART = -0.05, 0.3
_LEAST, _LEAST_OF_ONE = -0.4, -0.7  # least mean log-likelihood of the digits; the same for a single digit


class Digit(NamedTuple):
    """A digit of a number: the index of its image, and its bounds in the copy that was read."""

    image: int
    box: Box


@dataclass(frozen=True)
class Number:
    """A number that was read.

    `lines` are its lines from top to bottom, `digits` all digits in that order, `skipped` the bounds of non-digits.
    `score` is the log-likelihood of the digits, `margin` its distance to the next best reading. `clean` means that
    nothing as high as a digit was skipped.
    """

    lines: list[str]
    digits: list[Digit]
    skipped: list[Box]
    score: float
    margin: float
    clean: bool

    @property
    def certain(self) -> bool:
        """Whether no person needs to check it."""
        return self.score >= _SURE and self.margin >= _APART and self.clean


def read_number(rows: list[Row], probabilities: Probabilities) -> Number:
    """Return the number in the rows; `probabilities`, float32 [images, 10], are the model's for the candidates.

    It has no digits where the likelihood of all of them is too low.
    """
    lines: list[str] = []
    digits: list[Digit] = []
    skipped: list[Box] = []
    score, margin, clean = 0.0, np.inf, True
    for row in rows:
        paths = best_paths(row, probabilities)
        best = paths[0]
        found = [Digit(read.candidate.image, read.candidate.box) for read in best.reads]
        left = _skipped(row, best)
        skipped += left
        if found:
            lines.append(best.text)
            digits += found
        score += sum(read.score for read in best.reads)
        clean = clean and not any(box.height > FIGURE * row.height for box in left)
        margin = min([margin, *(best.score - other.score for other in paths[1:2])])
    if score < len(digits) * (_LEAST_OF_ONE if len(digits) == 1 else _LEAST):
        skipped = [span.piece.box for row in rows for span in row.spans]
        lines, digits = [], []
    return Number(lines, digits, skipped, score, float(margin), clean)


def _skipped(row: Row, path: Path) -> list[Box]:
    """Return the bounds of the pieces that were not read."""
    read = {place for one in path.reads for place in range(one.candidate.first + 1, one.candidate.end + 1)}
    return [span.piece.box for span in row.spans if not read & set(range(span.first + 1, span.end + 1))]
