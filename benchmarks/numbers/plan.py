"""The pictures to read: numbers under each condition, signs between digits, pictures without digits."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.numbers.conditions import Condition, conditions
from benchmarks.numbers.writing import Character, Number, number_ink
from benchmarks.pictures.forms import FORMS
from benchmarks.pictures.look import picture_of_ink
from benchmarks.pictures.options import chooser
from benchmarks.pictures.plan import Digits
from benchmarks.pictures.scene import Random


@dataclass(frozen=True)
class Written:
    """A number to draw, and the text of its lines."""

    number: Number
    lines: tuple[str, ...]


def numbers(condition: Condition, digits: Digits, count: int, seed: int) -> list[Written]:
    """Return `count` numbers for a condition, the same ones for the same seed."""
    rng = np.random.default_rng([seed, zlib.crc32(condition.name.encode())])
    lengths = [_lengths(condition, rng) for _ in range(count)]
    needed = sum(map(sum, lengths))
    characters = _forms(needed, rng) if condition.forms else _of_mnist(condition, digits, needed, rng)
    return [_taken(characters, each) for each in lengths]


def _lengths(condition: Condition, rng: Random) -> list[int]:
    lines = int(rng.integers(condition.lines[0], condition.lines[1] + 1))
    return [int(rng.integers(condition.digits[0], condition.digits[1] + 1)) for _ in range(lines)]


def _of_mnist(condition: Condition, digits: Digits, count: int, rng: Random) -> Iterator[tuple[Character, str]]:
    images, labels = digits.sample(condition.name, -(-count // 10) * 10, pen=condition.look.pen is not None)
    order = rng.permutation(len(labels))
    return ((images[index], str(labels[index])) for index in order)


def _forms(count: int, rng: Random) -> Iterator[tuple[Character, str]]:
    names = list(FORMS)
    return ((name, str(FORMS[name].label)) for name in (names[index] for index in rng.integers(len(names), size=count)))


def _taken(characters: Iterator[tuple[Character, str]], lengths: Sequence[int]) -> Written:
    lines = [[next(characters) for _ in range(length)] for length in lengths]
    number = Number(tuple(tuple(one for one, _ in line) for line in lines))
    return Written(number, tuple("".join(text for _, text in line) for line in lines))


def picture(condition: Condition, written: Written, rng: Random) -> bytes:
    """Return a picture file of the number under the condition."""
    look, state = condition.look, rng.integers(1 << 32)
    slant = float(rng.uniform(*look.slant) * rng.choice([-1, 1]))
    draw: Callable[[float], np.ndarray] = lambda height: number_ink(  # noqa: E731
        written.number, condition.setting, height, look.pen, slant, np.random.default_rng(state)
    )
    return picture_of_ink(look, draw, rng)


def chosen(only: str) -> list[Condition]:
    """Return the conditions whose names contain a word of `only`, all if it is empty."""
    has_word = chooser(only)
    return [one for one in conditions() if has_word(one.name)]
