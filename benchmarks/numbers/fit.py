"""Fit the weights of `service.preprocessing.numbers.path` to the newest model, on numbers of the validation split.

    python -m benchmarks.numbers.fit --data DIR [--numbers N] [--only NAME,...]

It prints the weights; nothing is changed. Fit again when a model is published that differs much from the last.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.numbers import plan
from benchmarks.numbers.measure import of_numbers, picture_of
from benchmarks.pictures.options import shared_parser
from benchmarks.pictures.plan import Digits, split
from benchmarks.pictures.reader import Reader
from service.errors import RequestError
from service.preprocessing.decode import decode
from service.preprocessing.numbers.path import TERMS, Step, steps
from service.preprocessing.numbers.segment import segment
from training.data.mnist import load

Floats = npt.NDArray[np.float64]
_TIMES_TOUCHING = 8  # so many numbers more of conditions in which digits touch
_EPOCHS, _BATCH, _RATE = 6, 16, 0.06
_SET = "skip", "figure"  # by hand: no number here has letters or signs


class Lattice(NamedTuple):
    """The steps of a line in the order of where they end, and the text that is written.

    `first`, `end` and `digit` (-1 for none) are int64 [steps], `terms` float64 [steps, len(TERMS)]; `last` is the
    line's last place.
    """

    first: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    digit: npt.NDArray[np.int64]
    terms: Floats
    last: int
    text: str


def main() -> int:
    """Fit the weights, and print them."""
    parser = shared_parser("benchmarks.numbers.fit", __doc__)
    parser.add_argument("--numbers", type=int, default=6, help="numbers a condition")
    options = parser.parse_args()
    digits = Digits(*split(load(options.data), "validation"), options.seed)
    lines = list(lattices(Reader.open(options.models), digits, options.numbers, options.only, options.seed))
    weights, likelihood = fit(lines)
    print(f"{len(lines)} lines, mean log-likelihood {likelihood:.3f}")
    for name, weight in zip(TERMS, weights, strict=True):
        print(f"{name:12} {weight:.2f}")
    return 0


def lattices(reader: Reader, digits: Digits, count: int, only: str, seed: int) -> Iterator[Lattice]:
    """Yield the lines of numbers under every condition."""
    for condition in plan.chosen(only):
        times = _TIMES_TOUCHING if condition.held == "touching" else 1
        for task in of_numbers(condition, plan.numbers(condition, digits, count * times, seed), seed):
            try:
                found = segment(decode(picture_of(task, condition), max_pixels=reader.max_pixels))
            except RequestError:
                continue
            probabilities = reader.engine.run(found.images)
            rows = [row for row in found.rows if row.candidates]
            if len(rows) == len(task.lines):
                for row, text in zip(rows, task.lines, strict=True):
                    yield lattice(steps(row, probabilities), text)


def lattice(found: list[Step], text: str) -> Lattice:
    """Return the lattice of the steps of a line."""
    found = sorted(found, key=lambda step: step.end)
    terms = np.array([[step.terms.get(name, 0.0) for name in TERMS] for step in found])
    digit = [-1 if step.digit is None else step.digit for step in found]
    first, end = np.array([step.first for step in found]), np.array([step.end for step in found])
    return Lattice(first, end, np.array(digit), terms, found[-1].end, text)


def fit(lines: list[Lattice], seed: int = 0) -> tuple[Floats, float]:
    """Return the weights, float64 [len(TERMS)], and the mean log-likelihood of what is written, by Adam."""
    rng = np.random.default_rng(seed)
    weights = np.array(list(TERMS.values()))
    learnt = np.array([name not in _SET for name in TERMS])
    mean, square, count = np.zeros_like(weights), np.zeros_like(weights), 0
    likelihoods: list[float] = []
    for epoch in range(_EPOCHS):
        likelihoods = []
        order = rng.permutation(len(lines))
        for start in range(0, len(lines), _BATCH):
            results = [likelihood(lines[index], weights) for index in order[start : start + _BATCH]]
            slopes = [slope for value, slope in results if np.isfinite(value)]
            likelihoods += [value for value, _ in results if np.isfinite(value)]
            if not slopes:
                continue
            count += 1
            slope = np.mean(slopes, axis=0) * learnt
            mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope**2
            step = mean / (1 - 0.9**count) / (np.sqrt(square / (1 - 0.99**count)) + 1e-6)
            weights = weights + (_RATE * (1 - epoch / _EPOCHS) + 0.005) * step
    return weights, float(np.mean(likelihoods))


def likelihood(line: Lattice, weights: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood of what is written among all paths, and its gradient; -inf where no path reads it."""
    forward, arrived = _forward(line, line.terms @ weights)
    value = float(forward[-1, -2] - forward[-1, -1])
    if not np.isfinite(value):
        return value, np.zeros_like(weights)
    skips = (line.digit < 0)[:, None]
    shares = np.zeros_like(forward)
    shares[-1, -2:] = 1
    gradient = np.zeros_like(weights)
    for place in range(line.last, 0, -1):
        some = _ending(line, place)
        reached = np.where(np.isfinite(forward[place]), forward[place], 0)
        part = np.exp(arrived[some] - reached) * shares[place]
        gradient += (part[:, :-1].sum(axis=1) - part[:, -1]) @ line.terms[some]
        back = np.where(skips[some], part[:, :-1], np.pad(part[:, 1:-1], ((0, 0), (0, 1))))
        np.add.at(shares, line.first[some], np.column_stack([back, part[:, -1]]))
    return value, gradient


def _forward(line: Lattice, scores: Floats) -> tuple[Floats, Floats]:
    """Return the log of the sum over paths to each place, and with each step, by how much of the text they have read.

    Column k is for those that have read k digits and no others; the last column is for all paths.
    """
    length = len(line.text)
    known = np.array([int(character) for character in line.text])
    reads = np.where(line.digit[:, None] == known, 0.0, -np.inf)
    skips = (line.digit < 0)[:, None]
    forward = np.full((line.last + 1, length + 2), -np.inf)
    forward[0, [0, -1]] = 0
    arrived = np.empty((len(scores), length + 2))
    for place in range(1, line.last + 1):
        some = _ending(line, place)
        before = forward[line.first[some]]
        on = np.pad(before[:, :length] + reads[some], ((0, 0), (1, 0)), constant_values=-np.inf)
        arrived[some, :-1] = np.where(skips[some], before[:, :-1], on)
        arrived[some, -1] = before[:, -1]
        arrived[some] += scores[some, None]
        forward[place] = np.logaddexp.reduce(arrived[some], axis=0, initial=-np.inf)
    return forward, arrived


def _ending(line: Lattice, place: int) -> slice:
    """Return the steps that end at a place."""
    return slice(*np.searchsorted(line.end, [place, place + 1]))


if __name__ == "__main__":
    sys.exit(main())
