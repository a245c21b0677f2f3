"""The best paths through the lines of a picture -> its number, and whether it is certain."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Candidate, Row
from service.preprocessing.numbers.path import Path, Probabilities, best_paths, combined
from service.preprocessing.numbers.pieces import FIGURE

#: A certain number has at least this score and margin, and each of its digits this probability.
#: Chosen, as is the least score of a number, on validation digits: docs/numbers.md.
_SURE, _APART, _CONFIDENT = 0.2, 2.0, 0.97
_LEAST = -1.7, 0.3, -0.2, -0.4  # of one, two, three, and more digits: a chance reading seldom has many
_LEAST_OF_ONE = 0.9  # confidence of a single digit


class Digit(NamedTuple):
    """A digit of a number: the index of its image, and its bounds in the copy that was read.

    `probabilities`, float32 [10], are the model's, or of what it says together with what a piece of several says.
    """

    image: int
    box: Box
    probabilities: Probabilities


@dataclass(frozen=True)
class Number:
    """A number that was read.

    `lines` are its lines from top to bottom, `digits` all digits in that order, `skipped` the bounds of non-digits.
    `score` is the mean score of its digits, above 0 where they are likelier than none; `margin` the distance of the
    best reading to the next; `confidence` the least of its digits'. `signs` counts what is skipped and as high as a
    digit, `cuts` the sides at which digits were cut off from others.
    """

    lines: list[str]
    digits: list[Digit]
    skipped: list[Box]
    score: float
    margin: float
    confidence: float
    signs: int
    cuts: int

    @property
    def likely(self) -> bool:
        """Whether it is a number, and no chance likeness to one or two digits."""
        count = len(self.digits)
        enough = count > 1 or self.confidence >= _LEAST_OF_ONE
        return enough and self.score >= _LEAST[min(count, len(_LEAST)) - 1] and self.signs <= count

    @property
    def certain(self) -> bool:
        """Whether no person needs to check it."""
        sure = self.score >= _SURE and self.margin >= _APART and self.confidence >= _CONFIDENT
        return sure and not self.signs and not self.cuts


def read_number(rows: list[Row], probabilities: Probabilities) -> Number:
    """Return the number in the rows; `probabilities`, float32 [images, 10], are the model's for the candidates.

    It has no digits where what was read is not likely to be a number.
    """
    lines: list[str] = []
    digits: list[Digit] = []
    skipped: list[Box] = []
    score, margin, signs, cuts = 0.0, np.inf, 0, 0
    for row in rows:
        paths = best_paths(row, probabilities)
        best = paths[0]
        found = [
            Digit(read.image, read.box, _shown(read, probabilities[read.image], int(digit)))
            for read, digit in zip(best.reads, best.text, strict=True)
        ]
        left = _skipped(row, best)
        skipped += left
        if found:
            lines.append(best.text)
            digits += found
        score += best.of_digits
        cuts += sum(read.cuts for read in best.reads)
        signs += sum(box.height > FIGURE * row.height for box in left)
        margin = min([margin, *(best.score - other.score for other in paths[1:2])])
    confidence = min((float(digit.probabilities.max()) for digit in digits), default=0.0)
    number = Number(lines, digits, skipped, score / max(1, len(digits)), float(margin), confidence, signs, cuts)
    if number.likely:
        return number
    return replace(number, lines=[], digits=[], skipped=[span.piece.box for row in rows for span in row.spans])


def _shown(candidate: Candidate, image: Probabilities, digit: int) -> Probabilities:
    """Return the probabilities of a digit that was read: the model's, if it saw all of it and says the same."""
    return image if not candidate.cuts and image.argmax() == digit else combined(candidate, image)


def _skipped(row: Row, path: Path) -> list[Box]:
    """Return the bounds of the pieces that were not read."""
    read = {place for one in path.reads for place in range(one.first + 1, one.end + 1)}
    return [span.piece.box for span in row.spans if not read & set(range(span.first + 1, span.end + 1))]
