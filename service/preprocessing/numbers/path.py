"""The model's answers for the candidates -> the likeliest number: the best path through each line."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.preprocessing.numbers.candidates import Candidate, Row, Span

_SKIP, _SKIP_PART = 1.1, 1.2  # what it costs to read a figure, or a part of one, as no digit: minus its log-likelihood
_KEPT = 4  # paths to each place
_ALTERNATIVES = 2  # digits that a candidate may be
_LOW, _TALL, _WIDE = 0.68, 1.45, 1.15  # of the line's height: beyond this a digit is unlikely
_OFF = 9.0  # what such a height or width costs for each line's height and more, squared
_CUT, _CROSSED = 0.25, 0.1  # what each side that is a cut costs, and each stroke width that it crosses
_OVERLAP = 0.5  # what it costs to have a stroke belong to two digits
_DIGIT = 0.75  # of the line's height: the usual width of a digit
_SLIM, _SLIM_COST = 0.22, 1.0  # of the line's height: so narrow is only a 1

Probabilities = npt.NDArray[np.float32]


class Read(NamedTuple):
    """A digit that was read, by its candidate; `digit` -1 is a part that is none."""

    first: int
    end: int
    digit: int
    candidate: Candidate | None


class Path(NamedTuple):
    """A way to read a line: its score, a log-likelihood, the digits, and what was read."""

    score: float
    text: str
    reads: tuple[Read, ...]


def best_paths(row: Row, probabilities: Probabilities) -> list[Path]:
    """Return the likeliest ways to read a line, best first, each with another text.

    `probabilities` is float32 [images, 10]; candidates name their rows.
    """
    places = row.spans[-1].end if row.spans else 0
    arriving: list[list[Candidate]] = [[] for _ in range(places + 1)]
    for candidate in row.candidates:
        arriving[candidate.end].append(candidate)
    overlaps: dict[int, list[int]] = {}
    for first, second in row.overlaps:
        overlaps.setdefault(first, []).append(second)
    typical = _typical_ink(row)
    spans = {place: span for span in row.spans for place in range(span.first + 1, span.end + 1)}
    kept: list[list[Path]] = [[Path(0.0, "", ())]]
    for end in range(1, places + 1):
        found = _skips(spans[end], kept, end, row.height, typical)
        for candidate in arriving[end]:
            before = kept[candidate.first] + [
                path._replace(score=path.score - _OVERLAP)
                for place in overlaps.get(candidate.first, ())
                if place < end
                for path in kept[place][:2]
            ]
            for digit, score in _scores(candidate, row.height, probabilities[candidate.image]):
                read = Read(candidate.first, end, digit, candidate)
                found += [Path(path.score + score, path.text + str(digit), (*path.reads, read)) for path in before]
        kept.append(_best(found))
    return kept[-1]


def _typical_ink(row: Row) -> float:
    """Return the ink of a usual digit of a line: the median over its figures, for each usual width of theirs."""
    pieces = [span.piece for span in row.spans if span.piece.box.height > 0.5 * row.height]
    inks = [piece.ink / max(1.0, piece.box.width / (_DIGIT * row.height)) for piece in pieces]
    return float(np.median(inks)) if inks else 1.0


def _scores(candidate: Candidate, height: float, row: Probabilities) -> list[tuple[int, float]]:
    tall, wide = candidate.box.height / height, candidate.box.width / height
    off = max(_LOW - tall, tall - _TALL, 0) ** 2 + max(wide - _WIDE, 0) ** 2
    found = []
    for digit in np.argsort(-row)[:_ALTERNATIVES].tolist():
        slim = _SLIM_COST if wide < _SLIM and digit != 1 else 0
        cut = _CUT * candidate.cuts + _CROSSED * candidate.crossed
        found.append((digit, float(np.log(row[digit] + 1e-6)) - _OFF * off - slim - cut))
    return found


def _skips(span: Span, kept: list[list[Path]], end: int, height: float, typical: float) -> list[Path]:
    """Return the paths that take a piece, or what is before a cut in it, for no digit."""
    piece = span.piece
    found = []
    if end == span.end:
        digits = max(1.0, piece.box.width / (_DIGIT * height))
        cost = _SKIP * min(digits, max(0.02, piece.ink / typical))
        found += [_skipped(path, span.first, end, cost) for path in kept[span.first]]
    if span.end - span.first > 1:
        found += [_skipped(path, end - 1, end, _SKIP_PART) for path in kept[end - 1]]
    return found


def _skipped(path: Path, first: int, end: int, cost: float) -> Path:
    return Path(path.score - cost, path.text, (*path.reads, Read(first, end, -1, None)))


def _best(paths: list[Path]) -> list[Path]:
    """Return the best paths, of each text the best."""
    best: dict[str, Path] = {}
    for path in paths:
        if path.text not in best or path.score > best[path.text].score:
            best[path.text] = path
    return sorted(best.values(), key=lambda path: -path.score)[:_KEPT]
