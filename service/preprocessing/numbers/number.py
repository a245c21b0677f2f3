"""The best paths through the lines of a picture -> its number, and whether it is certain."""

from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.numbers.candidates import Candidate, Row, Span
from service.preprocessing.numbers.path import Path, Probabilities, best_paths, combined, seen
from service.preprocessing.numbers.pieces import FIGURE

#: A certain number has at least this score and margin, and each of its digits this probability.
#: Chosen, as is the least score of a number, on validation digits: docs/numbers.md.
_SURE, _APART, _CONFIDENT = 0.2, 1.5, 0.995
_LEAST = -1.7, 0.0, -0.6, -1.2  # of one, two, three, and more digits: a chance reading seldom has many
_LEAST_CUT = -1.7, 0.3, -0.2, -0.7  # of numbers with digits that touch: letters are cut too
_LEAST_OF_ONE = 0.9  # confidence of a single digit
_SPACE = 0.6  # of the line's height: between words
_TALL = 1.12  # times the usual height of a line's digits: a 1 so tall may be a slash or a bracket
_OUT, _OTHERS, _NEAREST = 0.03, 2, 4  # of its height, beyond so many of a line's other digits: a 1 is none


Read = tuple[str, Candidate]  # a digit, and what it was read of


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
    best reading to the next; `confidence` the least of its digits'. `signs` counts what is as high as a digit and is
    skipped, or may be no digit; `cuts` the sides at which digits were cut off from others.
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
        least = (_LEAST_CUT if self.cuts else _LEAST)[min(count, len(_LEAST)) - 1]
        enough = count > 1 or self.confidence >= _LEAST_OF_ONE
        return enough and self.score >= least and self.signs <= count

    @property
    def certain(self) -> bool:
        """Whether no person needs to check it."""
        sure = self.score >= _SURE and self.margin >= _APART and self.confidence >= _CONFIDENT
        return sure and not self.signs and not self.cuts


def read_number(rows: list[Row], probabilities: Probabilities, single: Probabilities | None = None) -> Number:
    """Return the number in the rows; `probabilities`, float32 [images, 10], are the model's for the candidates.

    It has no digits where what was read is not likely to be a number: one digit has to be so of the picture as a
    `single` digit too, if the model's probabilities of that, float32 [10], are known.
    """
    lines: list[str] = []
    digits: list[Digit] = []
    skipped: list[Box] = []
    score, margin, signs, cuts = 0.0, np.inf, 0, 0
    for row in rows:
        paths = best_paths(row, probabilities)
        best = paths[0]
        read = _without_slashes(_without_letters(row, best))
        left = _skipped(row.spans, [candidate for _, candidate in read])
        skipped += left
        if read:
            lines.append("".join(digit for digit, _ in read))
            digits += [_digit(candidate, probabilities[candidate.image], int(digit)) for digit, candidate in read]
        score += best.of_digits
        cuts += sum(candidate.cuts for _, candidate in read)
        signs += _figures(left, row.height) + _slashes(read)
        margin = min([margin, *(best.score - other.score for other in paths[1:2])])
    confidence = min((float(digit.probabilities.max()) for digit in digits), default=0.0)
    if single is not None and len(digits) == 1:
        confidence = min(confidence, float(single[int(lines[0])]))
    number = Number(lines, digits, skipped, score / max(1, len(digits)), float(margin), confidence, signs, cuts)
    if number.likely:
        return number
    return replace(number, lines=[], digits=[], skipped=[span.piece.box for row in rows for span in row.spans])


def _digit(candidate: Candidate, image: Probabilities, digit: int) -> Digit:
    """Return a digit that was read; its probabilities are the model's, if it saw all of it and says the same."""
    image = seen(candidate, image)
    alone = not candidate.cuts and image.argmax() == digit
    return Digit(candidate.image, candidate.box, image if alone else combined(candidate, image))


def _without_letters(row: Row, path: Path) -> list[Read]:
    """Return what is read, but for words in which more figures are skipped than read: letters that look like digits."""
    words: list[list[Span]] = [[]]
    right = row.spans[0].piece.box.right
    for span in row.spans:
        if span.piece.box.left - right > _SPACE * row.height:
            words.append([])
        words[-1].append(span)
        right = max(right, span.piece.box.right)
    found: list[Read] = []
    for word in words:
        read = [
            (digit, candidate)
            for digit, candidate in zip(path.text, path.reads, strict=True)
            if word[0].first <= candidate.first < word[-1].end
        ]
        height = max(span.piece.box.height for span in word)
        if _figures(_skipped(word, [candidate for _, candidate in read]), height) <= len(read):
            found += read
    return found


def _without_slashes(read: list[Read]) -> list[Read]:
    """Return what is read of a line, but for 1s that stick out of it: slashes and brackets."""
    others = [candidate.box for digit, candidate in read if digit != "1"]
    if len(others) < _OTHERS:
        return read
    return [(digit, one) for digit, one in read if digit != "1" or not _sticks_out(one.box, others)]


def _sticks_out(box: Box, others: list[Box]) -> bool:
    """Whether a figure begins above and ends below the nearest of a line's others."""
    near = sorted(others, key=lambda other: abs(other.left + other.right - box.left - box.right))[:_NEAREST]
    above = min(other.top for other in near) - box.top
    below = box.bottom - max(other.bottom for other in near)
    return min(above, below) > _OUT * box.height


def _skipped(spans: list[Span], read: list[Candidate]) -> list[Box]:
    """Return the bounds of the pieces that were not read."""
    places = {place for one in read for place in range(one.first + 1, one.end + 1)}
    return [span.piece.box for span in spans if not places & set(range(span.first + 1, span.end + 1))]


def _figures(boxes: list[Box], height: float) -> int:
    """Return how many are as high as a digit of a line so high."""
    return sum(box.height > FIGURE * height for box in boxes)


def _slashes(read: list[Read]) -> int:
    """Return how many of a line's 1s stand out above its other digits."""
    others = [candidate.box.height for digit, candidate in read if digit != "1"]
    usual = median(others) if others else np.inf
    return sum(digit == "1" and candidate.box.height > _TALL * usual for digit, candidate in read)
