"""Probabilities of the candidates -> the most likely number: the best path through each line."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.preprocessing.numbers.candidates import Candidate, Row, Span
from service.preprocessing.numbers.pieces import FIGURE

#: Of MNIST's training digits, 0 to 9: mean and standard deviation of the logarithm of width by height.
_SHAPES = (
    (-0.10, 0.20), (-0.91, 0.45), (-0.07, 0.22), (-0.23, 0.21), (-0.24, 0.21),
    (-0.08, 0.26), (-0.32, 0.22), (-0.26, 0.22), (-0.28, 0.22), (-0.39, 0.21),
)  # fmt: skip
_SHAPE, _FREE = 0.09, 2.1  # what each squared deviation from them costs beyond so many, as minus a log-likelihood
_SIZE, _SIZES = 4.3, 0.37  # what a squared difference of height costs, as a logarithm, beyond so much
_SURE = 1.5  # how much the model's own log-likelihood counts
_CUT, _CROSSED = 0.04, 0.07  # what each side that is a cut costs, and each stroke width that it crosses
_SPLIT = 1.0  # what each cut costs more in a piece that is no wider than a digit may be
_OVERLAP = 0.27  # what it costs to have a stroke belong to two digits
_SKIP, _SKIP_PART = 1.1, 2.0  # what it costs to take a figure, or what lies between two cuts, for no digit
_DIGIT = 0.75  # of the line's height: the usual width of a digit
_KEPT = 4  # paths to each place
_ALTERNATIVES = 2  # digits that a candidate may be
_LEAST = 1e-6  # probability

Probabilities = npt.NDArray[np.float32]


class Read(NamedTuple):
    """A candidate that is read as a digit, and the log-likelihood of that."""

    candidate: Candidate
    score: float


class Path(NamedTuple):
    """A way to read a line: its score, a log-likelihood; its digits, and what they are read from."""

    score: float
    text: str
    reads: tuple[Read, ...]


def best_paths(row: Row, probabilities: Probabilities) -> list[Path]:
    """Return the most likely readings of a line, best first, each with a different text.

    `probabilities` is float32 [images, 10]; candidates name their rows.
    """
    typical = _typical_ink(row)
    spans = {place: span for span in row.spans for place in range(span.first + 1, span.end + 1)}
    kept: list[list[Path]] = [[Path(0.0, "", ())]]
    for end in range(1, row.spans[-1].end + 1):
        found = _skips(spans[end], kept, end, row.height, typical)
        for candidate in row.arriving(end):
            before = _before(candidate, row, kept)
            for digit, score in _scores(candidate, row.height, probabilities[candidate.image]):
                found += [
                    Path(path.score + score, path.text + str(digit), (*path.reads, Read(candidate, score)))
                    for path in before
                ]
        kept.append(_best(found))
    return kept[-1]


def _before(candidate: Candidate, row: Row, kept: list[list[Path]]) -> list[Path]:
    """Return the paths to where a candidate begins, including those that share a stroke with it."""
    shared = (place for place in row.overlaps.get(candidate.first, ()) if place < candidate.end)
    sharing = [path._replace(score=path.score - _OVERLAP) for place in shared for path in kept[place][:2]]
    return kept[candidate.first] + sharing


def _typical_ink(row: Row) -> float:
    """Return the typical ink of a digit of a line: the median over its figures, per typical width."""
    pieces = [span.piece for span in row.spans if span.piece.box.height > FIGURE * row.height]
    inks = [piece.ink / max(1.0, piece.box.width / (_DIGIT * row.height)) for piece in pieces]
    return float(np.median(inks)) if inks else 1.0


def _scores(candidate: Candidate, height: float, row: Probabilities) -> list[tuple[int, float]]:
    """Return the most likely digits of a candidate with their log-likelihoods."""
    digits = np.argsort(-row)[:_ALTERNATIVES].tolist()
    mean, deviation = _SHAPES[digits[0]]
    box = candidate.box
    shape = max(abs(float(np.log(box.width / box.height)) - mean) / deviation - _FREE, 0.0)
    size = max(abs(float(np.log(box.height / height))) - _SIZES, 0.0)
    cost = _SHAPE * shape**2 + _SIZE * size**2 + _CUT * candidate.cuts + _CROSSED * candidate.crossed
    cost += _SPLIT * candidate.cuts * candidate.narrow
    return [(digit, _SURE * float(np.log(row[digit] + _LEAST)) - cost) for digit in digits]


def _skips(span: Span, kept: list[list[Path]], end: int, height: float, typical: float) -> list[Path]:
    """Return the paths that skip a piece, or the part of it before a cut."""
    piece, found = span.piece, list[Path]()
    if end == span.end:
        digits = max(1.0, piece.box.width / (_DIGIT * height))
        cost = _SKIP * min(digits, max(0.02, piece.ink / typical))
        found += [path._replace(score=path.score - cost) for path in kept[span.first]]
    if span.end - span.first > 1:
        found += [path._replace(score=path.score - _SKIP_PART) for path in kept[end - 1]]
    return found


def _best(paths: list[Path]) -> list[Path]:
    """Return the best path of each text."""
    best: dict[str, Path] = {}
    for path in paths:
        if path.text not in best or path.score > best[path.text].score:
            best[path.text] = path
    return sorted(best.values(), key=lambda path: -path.score)[:_KEPT]
