"""What is to be read: which digits under which condition, which pictures without one, which sets."""

import argparse
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.robustness import letters, strokes
from tests.benchmarks.robustness.conditions import cells
from tests.benchmarks.robustness.forms import FORMS
from tests.benchmarks.robustness.measure import NO_DIGIT, Batch
from tests.benchmarks.robustness.nondigits import NUMBERS, non_digits
from tests.benchmarks.robustness.sources import FONT_DIGITS, MNIST, REAL_WORLD
from training.dataset import Mnist

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Chosen = Callable[[str], bool]

_POOL = 4000  # digits from which every condition draws its own: tracing a digit takes a while, and is done once


@dataclass(frozen=True)
class Digits:
    """MNIST's digits to draw from, uint8 [N, 28, 28] and int64 [N]; `traceable` says which may be drawn with a pen."""

    images: Images
    labels: Labels
    traceable: npt.NDArray[np.bool_]

    @classmethod
    def pool(cls, images: Images, labels: Labels, seed: int) -> "Digits":
        """Draw the pool from a split."""
        chosen = np.random.default_rng(seed).permutation(len(images))[:_POOL]
        return cls(images[chosen], labels[chosen], np.array([strokes.faithful(images[index]) for index in chosen]))

    def sample(self, name: str, count: int, *, pen: bool, seed: int) -> tuple[Images, Labels]:
        """Return `count` digits, the same for the same `name` and seed."""
        allowed = np.flatnonzero(self.traceable) if pen else np.arange(len(self.images))
        order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(allowed)[:count]
        return self.images[order], self.labels[order]


def generated(digits: Digits, count: int, seed: int, chosen: Chosen) -> Iterator[Batch]:
    """Return the digits under every condition: `count` a cell, the same ones at each strength of a condition."""
    for cell in cells():
        if chosen(cell.condition):
            share = max(4, round(count * cell.share))
            images, labels = digits.sample(cell.condition, share, pen=cell.look.pen is not None, seed=seed)
            yield Batch(cell.name, list(images), labels.tolist())


def without_digits(digits: Digits, percent: float, seed: int, chosen: Chosen) -> Iterator[Batch]:
    """Return the pictures without a digit, or with several, cut to `percent` of each kind."""
    for name, kind in non_digits().items():
        if chosen(name):
            yield _thinned(
                Batch(name, list(kind.items) * kind.times, [NO_DIGIT] * len(kind.items) * kind.times), percent
            )
    for name, (length, gap, _) in NUMBERS.items():
        if chosen(name):
            images, _ = digits.sample(name, 200 * length, pen=True, seed=seed)
            items = [(images[first : first + length], gap) for first in range(0, len(images), length)]
            yield _thinned(Batch(name, items, [NO_DIGIT] * len(items)), percent)


def other_forms(percent: float, chosen: Chosen) -> Iterator[Batch]:
    """Return the digits that other hands and printers write."""
    for name, form in FORMS.items():
        if chosen(name):
            yield _thinned(Batch(name, [name] * 100, [form.label] * 100), percent)
    if chosen(FONT_DIGITS):
        printed = letters.characters(letters.DIGITS) * 4
        yield _thinned(Batch(FONT_DIGITS, printed, [int(digit) for _, digit in printed]), percent)


def real_world(directory: Path, percent: float, chosen: Chosen) -> Iterator[Batch]:
    """Return the sets of digits in `directory`: `x`, uint8 [N, height, width], white on black, and `y`.

    A set with duplicates of others, `dup`, is there twice: as it is and without them.
    """
    for name in filter(chosen, REAL_WORLD):
        with np.load(directory / f"{name}.npz") as data:
            images, labels, duplicates = data["x"], data["y"], data["dup"].astype(bool)
        yield _thinned(Batch(name, list(images), labels.tolist()), percent)
        if duplicates.any():
            kept = ~duplicates
            yield _thinned(Batch(f"{name}, no duplicates", list(images[kept]), labels[kept].tolist()), percent)


def mnist(images: Images, labels: Labels, percent: float) -> Batch:
    """Return the digits of a split as they are."""
    return _thinned(Batch(MNIST, list(images), labels.tolist()), percent)


def _thinned(batch: Batch, percent: float) -> Batch:
    """Return an even selection of the batch."""
    count = len(batch.items)
    kept = np.linspace(0, count - 1, max(min(count, 12), round(count * percent / 100))).round().astype(int)
    return Batch(batch.source, [batch.items[index] for index in kept], [batch.labels[index] for index in kept])


def split(data: Mnist, name: str) -> tuple[Images, Labels]:
    """Return the images and labels of a split of MNIST."""
    images, labels = getattr(data, f"{name}_images"), getattr(data, f"{name}_labels")
    return images, labels.astype(np.int64)


def batches(options: argparse.Namespace, images: Images, labels: Labels) -> list[Batch]:
    """Return everything that the options ask for."""
    wanted = [name.strip().lower() for name in options.only.split(",") if name.strip()]
    percent = 10.0 if options.short else 100.0

    def chosen(name: str) -> bool:
        return not wanted or any(part in name.lower() for part in wanted)

    digits = Digits.pool(images, labels, options.seed)
    found = [
        *generated(digits, round(options.digits * percent / 100), options.seed, chosen),
        *without_digits(digits, percent, options.seed, chosen),
        *other_forms(percent, chosen),
    ]
    if options.realworld:
        found += real_world(options.realworld, percent, chosen)
    return [*found, mnist(images, labels, percent)] if chosen(MNIST) else found
