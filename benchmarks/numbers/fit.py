"""Fit the weights of `service.preprocessing.numbers.path` to the newest model, on numbers of the validation split.

    python -m benchmarks.numbers.fit --data DIR [--numbers N] [--only NAME,...]

It prints the table to paste into `path.py`; nothing is changed. Fit again when a model differs much from the last.
"""

import sys
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from benchmarks.numbers import plan
from benchmarks.numbers.measure import Process, Task, of_numbers, picture_of, start
from benchmarks.pictures.options import shared_parser
from benchmarks.pictures.plan import Digits, split
from service.errors import RequestError
from service.preprocessing.decode import decode
from service.preprocessing.numbers.path import TERMS, Step, steps
from service.preprocessing.numbers.segment import segment
from training.data.mnist import load

Floats = npt.NDArray[np.float64]
_TIMES_TOUCHING = 8  # times as many numbers in conditions in which digits touch
_ITERATIONS = 12  # from the weights of the last model
_LEARNT = "part", "sequence", "cut"  # the others are of digits that nothing was cut from, and of what is no digit


class Lattice(NamedTuple):
    """The steps of a line in the order of their ends, and its true text.

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
    """Fit the weights, and print them as the lines of `TERMS`."""
    parser = shared_parser("benchmarks.numbers.fit", __doc__)
    parser.add_argument("--numbers", type=int, default=3, help="numbers a condition; more of those that touch")
    options = parser.parse_args()
    digits = Digits(*split(load(options.data), "validation"), options.seed)
    tasks = [
        task
        for one in plan.chosen(options.only)
        for count in [options.numbers * (_TIMES_TOUCHING if one.held == "touching" else 1)]
        for task in of_numbers(one, plan.numbers(one, digits, count, options.seed), options.seed)
    ]
    with get_context("spawn").Pool(options.processes, start, (options.models,)) as pool:
        lines = [line for found in pool.imap(lattices, tasks, chunksize=10) for line in found]
    weights, likelihood = fit(lines)
    print(f"{len(lines)} lines, mean log-likelihood {likelihood:.3f}")
    for name, weight in zip(TERMS, weights, strict=True):
        print(f'    "{name}": {weight:.2f},')
    return 0


def lattices(task: Task) -> list[Lattice]:
    """Return the lines of a number, in a process of `measure.start`; none if not all of them are found."""
    reader = Process.reader
    try:
        found = segment(decode(picture_of(task, Process.conditions[task.source]), max_pixels=reader.max_pixels))
    except RequestError:
        return []
    probabilities = reader.engine.run(found.images)
    rows = [row for row in found.rows if row.candidates]
    if len(rows) != len(task.lines):
        return []
    return [lattice(steps(row, probabilities), text) for row, text in zip(rows, task.lines, strict=True)]


def lattice(found: list[Step], text: str) -> Lattice:
    """Return the lattice of the steps of a line."""
    found = sorted(found, key=lambda step: step.end)
    terms = np.array([[step.terms.get(name, 0.0) for name in TERMS] for step in found])
    digit = [-1 if step.digit is None else step.digit for step in found]
    first, end = np.array([step.first for step in found]), np.array([step.end for step in found])
    return Lattice(first, end, np.array(digit), terms, found[-1].end, text)


def fit(lines: list[Lattice]) -> tuple[Floats, float]:
    """Return the weights, float64 [len(TERMS)], under which what is written is likeliest, and its mean log-likelihood.

    By L-BFGS (Liu and Nocedal 1989); lines that no path reads are left out.
    """
    before = np.array(list(TERMS.values()))
    learnt = np.array([name in _LEARNT for name in TERMS])

    def loss(chosen: Floats) -> tuple[float, Floats]:
        weights = before.copy()
        weights[learnt] = chosen
        results = [likelihood(line, weights) for line in lines]
        readable = [result for result in results if np.isfinite(result[0])]
        value, slope = (np.mean(each, axis=0) for each in zip(*readable, strict=True))
        return -float(value), -slope[learnt]

    found = minimize(loss, before[learnt], jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    weights = before.copy()
    weights[learnt] = found.x
    return weights, -float(found.fun)


def likelihood(line: Lattice, weights: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood of the true text among all paths, and its gradient; -inf if no path has it."""
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
