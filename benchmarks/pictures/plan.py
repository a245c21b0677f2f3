"""What is measured: digits by condition, pictures without a digit, public data sets."""

import argparse
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.pictures import letters, trace
from benchmarks.pictures.conditions import cells
from benchmarks.pictures.forms import FORMS
from benchmarks.pictures.measure import NO_DIGIT, Batch
from benchmarks.pictures.nondigits import NUMBERS, non_digits
from benchmarks.pictures.options import chooser
from benchmarks.pictures.sources import FONT_DIGITS, MNIST, REAL_WORLD
from training.data.mnist import Mnist

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Chosen = Callable[[str], bool]

_POOL = 4000  # digits that the conditions sample from; each is traced once, because that is slow
_SHORT = 1.0  # percent
_FEWEST = 2  # pictures of a kind
_NUMBERS = 200  # pictures of each kind of number
#: Closed loops that a digit must have to be drawn with a pen. One that the scanner blotted is gone in the drawing, and
#: what was a 6 is an L, what was a 9 a 5.
LOOPS = {6: 1, 8: 2, 9: 1}


class Digits:
    """The MNIST digits to sample from."""

    def __init__(self, images: Images, labels: Labels, seed: int) -> None:
        """Draw the pool from `images`, uint8 [N, 28, 28], and `labels`, int64 [N]."""
        chosen = np.random.default_rng(seed).permutation(len(images))[:_POOL]
        self._images, self._labels, self._seed = images[chosen], labels[chosen], seed
        self._traceable: dict[int, bool] = {}

    def sample(self, name: str, count: int, *, pen: bool) -> tuple[Images, Labels]:
        """Return `count` digits, evenly by label, the same for the same `name`.

        With `pen`, only digits whose traced lines are faithful.
        """
        order = np.random.default_rng([self._seed, zlib.crc32(name.encode())]).permutation(len(self._labels))
        wanted = np.bincount(np.arange(count) % 10, minlength=10)
        found = []
        for index in order:
            if wanted[self._labels[index]] > 0 and (not pen or self._is_traceable(int(index))):
                wanted[self._labels[index]] -= 1
                found.append(index)
        return self._images[found], self._labels[found]

    def _is_traceable(self, index: int) -> bool:
        if index not in self._traceable:
            loops = LOOPS.get(int(self._labels[index]), 0)
            self._traceable[index] = trace.faithful(self._images[index], loops=loops)
        return self._traceable[index]


def generated(digits: Digits, count: int, chosen: Chosen) -> Iterator[Batch]:
    """Return the digits under every condition: `count` a cell, the same ones at each strength of a condition."""
    for cell in cells():
        if chosen(cell.name):
            share = max(_FEWEST, round(count * cell.share))
            images, labels = digits.sample(cell.condition, share, pen=cell.look.pen is not None)
            yield Batch(cell.name, list(images), labels.tolist())


def numbers(digits: Digits, count: int, chosen: Chosen) -> Iterator[Batch]:
    """Return `count` numbers of each kind, made of several digits."""
    for name, (length, gap, _) in NUMBERS.items():
        if chosen(name):
            images, _ = digits.sample(name, count * length, pen=True)
            items = [(images[first : first + length], gap) for first in range(0, len(images), length)]
            yield Batch(name, items, [NO_DIGIT] * len(items))


def drawn() -> Iterator[Batch]:
    """Return the pictures with no digit, and digits in forms of other hands and fonts."""
    for name, kind in non_digits().items():
        items = list(kind.items) * kind.times
        yield Batch(name, items, [NO_DIGIT] * len(items))
    for name, form in FORMS.items():
        yield Batch(name, [name] * 100, [form.label] * 100)
    printed = letters.characters(letters.DIGITS) * 4
    yield Batch(FONT_DIGITS, printed, [int(digit) for _, digit in printed])


def real_world(directory: Path, chosen: Chosen) -> Iterator[Batch]:
    """Return the sets of digits in `directory`: `x`, uint8 [N, height, width], white on black, and `y`.

    A set with a duplicate mask `dup` is measured twice: whole and without duplicates.
    """
    for name in filter(chosen, REAL_WORLD):
        with np.load(directory / f"{name}.npz") as data:
            images, labels, duplicates = data["x"], data["y"], data["dup"].astype(bool)
        yield Batch(name, list(images), labels.tolist())
        if duplicates.any():
            yield Batch(f"{name}, no duplicates", list(images[~duplicates]), labels[~duplicates].tolist())


def _thinned(batch: Batch, percent: float) -> Batch:
    """Return an even selection of the batch."""
    count = len(batch.items)
    kept = np.linspace(0, count - 1, _part(count, percent)).round().astype(int)
    return Batch(batch.source, [batch.items[index] for index in kept], [batch.labels[index] for index in kept])


def _part(count: int, percent: float) -> int:
    return max(min(count, _FEWEST), round(count * percent / 100))


def split(data: Mnist, name: str) -> tuple[Images, Labels]:
    """Return the images and labels of a split of MNIST."""
    images, labels = getattr(data, f"{name}_images"), getattr(data, f"{name}_labels")
    return images, labels.astype(np.int64)


def batches(options: argparse.Namespace, images: Images, labels: Labels) -> list[Batch]:
    """Return all batches that the options select."""
    chosen, percent = chooser(options.only), _SHORT if options.short else 100.0
    digits = Digits(images, labels, options.seed)
    sampled = [
        *generated(digits, round(options.digits * percent / 100), chosen),
        *numbers(digits, _part(_NUMBERS, percent), chosen),
    ]
    public = real_world(options.realworld, chosen) if options.realworld else ()
    others = (*drawn(), *public, Batch(MNIST, list(images), labels.tolist()))
    return sampled + [_thinned(batch, percent) for batch in others if chosen(batch.source)]
