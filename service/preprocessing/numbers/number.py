"""The best paths through the lines of a picture -> its number, and how far it can be trusted."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Row
from service.preprocessing.numbers.path import Path, Probabilities, best_paths

#: From this probability on a number needs no second look: of MNIST's validation digits, written as docs/numbers.md
#: tells, 99.5% of the numbers above it are wholly right.
CERTAIN_FROM = 0.9


class Digit(NamedTuple):
    """A digit of a number: the index of its image and probabilities, and its bounds in the copy that was read."""

    image: int
    box: Box


@dataclass(frozen=True)
class Number:
    """A number as it was read.

    `lines` are its lines from top to bottom, `digits` all digits in that order, `skipped` the bounds of what is none.
    `probability` is that of all of it being right.
    """

    lines: list[str]
    digits: list[Digit]
    skipped: list[Box]
    probability: float

    @property
    def certain(self) -> bool:
        """Whether no person need look at it."""
        return self.probability >= CERTAIN_FROM


def read_number(rows: list[Row], probabilities: Probabilities) -> Number:
    """Return the number in the rows; `probabilities`, float32 [images, 10], are the model's for the candidates."""
    lines: list[str] = []
    digits: list[Digit] = []
    skipped: list[Box] = []
    probability = 1.0
    for row in rows:
        paths = best_paths(row, probabilities)
        best = paths[0]
        found = [Digit(candidate.image, candidate.box) for candidate in best.reads]
        skipped += _skipped(row, best)
        if found:
            lines.append(best.text)
            digits += found
        scores = np.array([path.score for path in paths])
        probability *= float(np.exp(min(scores[0], 0.0)) / np.exp(scores - scores[0]).sum())
    return Number(lines, digits, skipped, probability)


def _skipped(row: Row, path: Path) -> list[Box]:
    """Return the bounds of the pieces in which nothing was read."""
    read = {place for candidate in path.reads for place in range(candidate.first + 1, candidate.end + 1)}
    return [span.piece.box for span in row.spans if not read & set(range(span.first + 1, span.end + 1))]
