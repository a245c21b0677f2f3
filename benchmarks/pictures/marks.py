"""The targets, and whether they are met."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.pictures.cells import Cell
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.measure import Shares, Tally
from benchmarks.pictures.nondigits import NUMBERS, Wanted, non_digits
from benchmarks.pictures.sources import MNIST
from training.release.evaluate import expected_calibration_error

MEAN_OF_CONDITIONS, EACH_CONDITION = 0.992, 0.97
REAL_WORLD = {"optdigits32": 0.985, "semeion": 0.96}
MNIST_CERTAIN, BLANK_REFUSED, SEVERAL_REFUSED = 0.98, 0.998, 0.99
LETTERS_UNSURE, OTHERS_UNSURE = 0.97, 0.80
MNIST_CALIBRATION, GENERATED_CALIBRATION = 0.005, 0.02


class Mark(NamedTuple):
    """A target: the least or most allowed, the result, and whether it is met."""

    what: str
    wanted: str
    found: str
    held: bool


def wanted_of(name: str) -> Wanted:
    """Return the wanted outcome for a kind of picture without a digit."""
    return NUMBERS[name][2] if name in NUMBERS else non_digits()[name].wanted


def fulfils(wanted: Wanted, shares: Shares) -> bool:
    """Return whether pictures without a digit had the wanted outcome."""
    return {
        Wanted.NO_DIGIT: shares.refused == 1,
        Wanted.SEVERAL: shares.several >= SEVERAL_REFUSED,
        Wanted.DOUBT: shares.unsure >= OTHERS_UNSURE,
        Wanted.NOTHING: True,
    }[wanted]


def counted(tallies: Mapping[str, Tally]) -> list[tuple[Cell, Shares]]:
    """Return the measured cells that count."""
    return [(cell, tallies[cell.name].shares()) for cell in cells() if cell.counted and cell.name in tallies]


def marks(tallies: Mapping[str, Tally]) -> list[Mark]:
    """Return the targets that apply to the results."""
    return [*_conditions(tallies), *_sets(tallies), *_without_digits(tallies), *_calibration(tallies)]


def calibration_error(tallies: Iterable[Tally]) -> float | None:
    """Return the expected calibration error of the answers, None without an answer.

    Rejected pictures have no confidence and are left out.
    """
    pairs = [pair for tally in tallies for pair in zip(tally.answers, tally.labels, strict=True)]
    read = [(answer.confidence, answer.digit == label) for answer, label in pairs if not answer.code]
    if not read:
        return None
    confidence, right = (np.array(column) for column in zip(*read, strict=True))
    return float(expected_calibration_error(confidence, right))


def _conditions(tallies: Mapping[str, Tally]) -> Iterator[Mark]:
    found = counted(tallies)
    if found:
        mean = float(np.mean([shares.right for _, shares in found]))
        yield _least("conditions, mean accuracy", MEAN_OF_CONDITIONS, mean)
        low = [shares.right for _, shares in found if shares.right < EACH_CONDITION]
        yield Mark(f"conditions under {EACH_CONDITION:.0%}", "none", f"{len(low)} of {len(found)}", not low)


def _sets(tallies: Mapping[str, Tally]) -> Iterator[Mark]:
    for name, least in REAL_WORLD.items():
        if name in tallies:
            yield _least(f"{name}, accuracy", least, tallies[name].shares().right)
    if MNIST in tallies:
        yield _least(f"{MNIST}, certain", MNIST_CERTAIN, tallies[MNIST].shares().certain)


#: What pictures without a digit are held to: the wanted outcome, the start of their names, the mark, and the share.
_WITHOUT_DIGITS = (
    ("blank pages and noise, refused", Wanted.NO_DIGIT, "", BLANK_REFUSED, "refused"),
    ("several digits, refused as such", Wanted.SEVERAL, "", SEVERAL_REFUSED, "several"),
    ("letters, refused or uncertain", Wanted.DOUBT, "letters", LETTERS_UNSURE, "unsure"),
    ("symbols, refused or uncertain", Wanted.DOUBT, "symbols", OTHERS_UNSURE, "unsure"),
    ("doodle, refused or uncertain", Wanted.DOUBT, "doodle", OTHERS_UNSURE, "unsure"),
    ("texture, refused or uncertain", Wanted.DOUBT, "texture", OTHERS_UNSURE, "unsure"),
)


def _without_digits(tallies: Mapping[str, Tally]) -> Iterator[Mark]:
    kinds = [(name, wanted_of(name), tallies[name].shares()) for name in (*non_digits(), *NUMBERS) if name in tallies]
    for what, wanted, start, least, share in _WITHOUT_DIGITS:
        found = [shares for name, kind, shares in kinds if kind is wanted and name.startswith(start)]
        if found:
            values, counts = [getattr(shares, share) for shares in found], [shares.count for shares in found]
            yield _least(what, least, float(np.average(values, weights=counts)))


def _calibration(tallies: Mapping[str, Tally]) -> Iterator[Mark]:
    parts = (
        (MNIST, MNIST_CALIBRATION, [tallies[MNIST]] if MNIST in tallies else []),
        ("conditions", GENERATED_CALIBRATION, [tallies[cell.name] for cell, _ in counted(tallies)]),
    )
    for name, most, group in parts:
        error = calibration_error(group)
        if error is not None:
            yield Mark(f"{name}, calibration error", f"at most {most}", f"{error:.4f}", error <= most)


def _least(what: str, least: float, found: float) -> Mark:
    return Mark(what, f"at least {least:.1%}", f"{found:.2%}", found >= least)
