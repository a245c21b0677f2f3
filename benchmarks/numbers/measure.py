"""Make pictures of numbers, read them in several processes, and count the results."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from benchmarks.numbers.conditions import Condition, conditions
from benchmarks.numbers.plan import Written, picture
from benchmarks.pictures.reader import Reader
from benchmarks.pictures.sources import Source, sources
from service.errors import RequestError
from service.preprocessing.decode import decode
from service.preprocessing.numbers.number import read_number
from service.preprocessing.numbers.segment import segment

_KEPT = 36  # failed pictures kept for each condition


@dataclass(frozen=True)
class Answer:
    """The answer for a picture: the lines of a number, or none and an error `code`."""

    lines: tuple[str, ...]
    certain: bool
    code: str = ""


@dataclass(frozen=True)
class Task:
    """A picture to make and read: its condition or kind, its true lines, and the seed."""

    source: str
    item: object
    lines: tuple[str, ...]
    origin: tuple[int, ...]


@dataclass
class Tally:
    """The results of a source: true lines and answer of each picture, and some failed pictures."""

    results: list[tuple[tuple[str, ...], Answer]] = field(default_factory=list)
    failed: list[tuple[bytes, tuple[str, ...], Answer]] = field(default_factory=list)

    @property
    def right(self) -> float:
        """The share read entirely right, or rejected if there is no number."""
        return float(np.mean([answer.lines == lines for lines, answer in self.results]))


def of_numbers(condition: Condition, numbers: list[Written], seed: int) -> list[Task]:
    """Return the tasks of a condition."""
    origin = seed, zlib.crc32(condition.name.encode())
    return [Task(condition.name, written, written.lines, (*origin, index)) for index, written in enumerate(numbers)]


def of_other_pictures(name: str, items: Iterable[object], seed: int) -> list[Task]:
    """Return the tasks of a kind of picture without digits."""
    origin = seed, zlib.crc32(name.encode())
    return [Task(name, item, (), (*origin, index)) for index, item in enumerate(items)]


def run(tasks: list[Task], models: Path, processes: int) -> dict[str, Tally]:
    """Read every picture with the newest version in `models`; return the results by source."""
    tallies: dict[str, Tally] = {}
    # Spawned, not forked: an engine has threads.
    with get_context("spawn").Pool(processes, start, (models,)) as pool:
        for task, (content, answer) in zip(tasks, pool.imap(_perform, tasks, chunksize=10), strict=True):
            tally = tallies.setdefault(task.source, Tally())
            tally.results.append((task.lines, answer))
            if answer.lines != task.lines and len(tally.failed) < _KEPT:
                tally.failed.append((content, task.lines, answer))
    return tallies


class Process:
    """What each process opens once."""

    reader: Reader
    conditions: dict[str, Condition]
    sources: dict[str, Source]


def start(models: Path) -> None:
    """Open what a process needs."""
    cv2.setNumThreads(1)
    Process.reader, Process.sources = Reader.open(models), sources()
    Process.conditions = {one.name: one for one in conditions()}


def _perform(task: Task) -> tuple[bytes, Answer]:
    if isinstance(task.item, Written):
        content = picture_of(task, Process.conditions[task.source])
    else:
        content = Process.sources[task.source](task.item, np.random.default_rng(task.origin))
    return content, read(content, Process.reader)


def picture_of(task: Task, condition: Condition) -> bytes:
    """Return the file of a task with a number."""
    return picture(condition, cast(Written, task.item), np.random.default_rng(task.origin))


def read(content: bytes, reader: Reader) -> Answer:
    """Return what the service answers for a file."""
    try:
        segmented = segment(decode(content, max_pixels=reader.max_pixels))
    except RequestError as error:
        return Answer((), False, error.code)
    probabilities = reader.engine.run(segmented.images)
    number = read_number(segmented.rows, probabilities, segmented.as_single(probabilities))
    return Answer(tuple(number.lines), number.certain and bool(number.digits), "" if number.digits else "no_digit")
