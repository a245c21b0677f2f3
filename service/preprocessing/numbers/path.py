"""Probabilities of the candidates -> the most likely number: the best path through each line.

A path is a row of steps from place to place; each reads a candidate as a digit or skips a piece. Its score is a linear
function of what its steps have (`TERMS`), as in a conditional random field (Lafferty et al. 2001); the weights are
those under which the true readings of numbers written with MNIST's validation digits are likeliest
(`benchmarks/numbers/fit.py`). What a skip costs is set by hand: a figure is one if the model does not know it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from service.preprocessing.numbers.candidates import Candidate, Row
from service.preprocessing.numbers.pieces import FIGURE

#: What the score of a step is made of, and the weight of each; heights and widths are in heights of the line.
TERMS = {
    "likelihood": 2.03,  # the logarithm of the digit's probability, floored
    "digit": 0.61,
    "part": -1.59,  # of parts at a cut: likelihood again
    "sequence": 1.09,  # the logarithm of the probability that just this digit is there, floored
    "cut": 0.07,  # sides that are cuts
    "split": -0.58,  # sides that are cuts, in a piece that is no wider than a digit may be
    "shape": -0.33,  # squared deviation of the shape from that of such digits in MNIST
    "size": -4.7,  # squared difference of height, as a logarithm
    "low": -2.27,  # how much lower than the line, as a logarithm
    "wide": -1.23,  # how much wider than high
    "skip": -1.5,  # digits that are skipped, by ink and width
    "figure": -1.2,  # figures that are skipped
}
#: Of MNIST's training digits, 0 to 9: mean and standard deviation of the logarithm of width by height.
_SHAPES = (
    (-0.10, 0.20), (-0.91, 0.45), (-0.07, 0.22), (-0.23, 0.21), (-0.24, 0.21),
    (-0.08, 0.26), (-0.32, 0.22), (-0.26, 0.22), (-0.28, 0.22), (-0.39, 0.21),
)  # fmt: skip
_SHAPE, _SIZE, _LOW = (1.0, 12.0), (0.3, 1.0), 0.15  # so much is free, and at most so much counts
_DIGIT = 0.75  # of the line's height: the usual width of a digit
_KEPT = 4  # paths to each place
_ALTERNATIVES = 2  # digits that a candidate may be
_FLOOR = 0.02  # probability
_NAMED = 0.4  # weight of what the network says to be the digit of a whole piece, beside 1 of what the model says

Probabilities = npt.NDArray[np.float32]
Terms = dict[str, float]


class Step(NamedTuple):
    """A step of a path: from which place to which, what it has, and the digit that is read of which candidate."""

    first: int
    end: int
    terms: Terms
    digit: int | None = None
    candidate: Candidate | None = None


class Path(NamedTuple):
    """A way to read a line: its score, its digits, and the candidates read.

    `of_digits` is the score without what is skipped, and without that of cuts: to be cut makes a digit no likelier.
    """

    score: float
    of_digits: float
    text: str
    reads: tuple[Candidate, ...]


def best_paths(row: Row, probabilities: Probabilities) -> list[Path]:
    """Return the most likely readings of a line, best first, each with a different text.

    `probabilities` is float32 [images, 10]; candidates name their rows.
    """
    arriving: list[list[Step]] = [[] for _ in range(row.spans[-1].end + 1)]
    for step in steps(row, probabilities):
        arriving[step.end].append(step)
    kept: list[list[Path]] = [[Path(0.0, 0.0, "", ())]]
    for some in arriving[1:]:
        found: dict[str, Path] = {}
        for step in some:
            score = sum(TERMS[name] * value for name, value in step.terms.items())
            for before in kept[step.first]:
                path = before._replace(score=before.score + score)
                if step.candidate is not None:
                    reads = (*before.reads, step.candidate)
                    of_digits = before.of_digits + score - TERMS["cut"] * step.terms.get("cut", 0.0)
                    path = Path(path.score, of_digits, before.text + str(step.digit), reads)
                if path.text not in found or path.score > found[path.text].score:
                    found[path.text] = path
        kept.append(sorted(found.values(), key=lambda path: -path.score)[:_KEPT])
    return kept[-1]


def steps(row: Row, probabilities: Probabilities) -> list[Step]:
    """Return all steps through a line."""
    found = _skips(row)
    for candidate in row.candidates:
        image = seen(candidate, probabilities[candidate.image])
        for digit in np.argsort(-combined(candidate, image))[:_ALTERNATIVES].tolist():
            terms = _terms(candidate, row.height, digit, float(image[digit]))
            found.append(Step(candidate.first, candidate.end, terms, digit, candidate))
    return found


def _terms(candidate: Candidate, height: float, digit: int, probability: float) -> Terms:
    """Return the terms of reading a candidate as a digit; the shape of a part says more of its cuts than of a digit."""
    likelihood = float(np.log(probability + _FLOOR))
    terms = {"likelihood": likelihood, "digit": 1.0, "sequence": float(candidate.odds[digit])}
    if candidate.cuts:
        return terms | {
            "part": likelihood,
            "cut": float(candidate.cuts),
            "split": float(candidate.cuts * candidate.narrow),
        }
    mean, deviation = _SHAPES[digit]
    box = candidate.box
    shape = max(abs(float(np.log(box.width / box.height)) - mean) / deviation - _SHAPE[0], 0.0)
    taller = float(np.log(box.height / height))
    return terms | {
        "shape": min(shape**2, _SHAPE[1]),
        "size": min(max(abs(taller) - _SIZE[0], 0.0) ** 2, _SIZE[1]),
        "low": max(-taller - _LOW, 0.0),
        "wide": max(box.width / height - 1, 0.0),
    }


def seen(candidate: Candidate, image: Probabilities) -> Probabilities:
    """Return the probabilities of the model for an image, together with those of a network that reads the piece."""
    shares = image * np.exp(_NAMED * candidate.named)
    return np.asarray(shares / shares.sum(), np.float32)


def combined(candidate: Candidate, image: Probabilities) -> Probabilities:
    """Return the probability of each digit by the model's for the image, and by what its piece says, float32 [10]."""
    model = TERMS["likelihood"] + (TERMS["part"] if candidate.cuts else 0.0)
    odds = model * np.log(image + _FLOOR) + TERMS["sequence"] * candidate.odds
    shares = np.exp(odds - odds.max())
    return np.asarray(shares / shares.sum(), np.float32)


def _skips(row: Row) -> list[Step]:
    """Return the steps that take pieces for no digit."""
    tall = [span.piece.box.height > FIGURE * row.height for span in row.spans]
    digits = [max(1.0, span.piece.box.width / (_DIGIT * row.height)) for span in row.spans]
    inks = [span.piece.ink / count for span, count, high in zip(row.spans, digits, tall, strict=True) if high]
    typical = float(np.median(inks)) if inks else 1.0
    return [
        Step(span.first, span.end, {"skip": min(count, max(0.02, span.piece.ink / typical)), "figure": float(high)})
        for span, count, high in zip(row.spans, digits, tall, strict=True)
    ]
