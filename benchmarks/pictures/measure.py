"""Makes pictures, has them read in several processes, and counts the answers."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.pictures.reader import Answer, Reader, Seen
from benchmarks.pictures.sources import Source, sources

NO_DIGIT = -1  # the label of a picture without a digit

_CHUNK = 20  # pictures per task
_KEPT = 48  # failing pictures kept per source


@dataclass(frozen=True)
class Batch:
    """The items that a source renders and their labels, `NO_DIGIT` if there is no digit."""

    source: str
    items: Sequence[Any]
    labels: Sequence[int]


@dataclass(frozen=True)
class Example:
    """A picture with a wrong answer."""

    content: bytes
    seen: Seen | None
    label: int
    answer: Answer


@dataclass
class Tally:
    """The answers for a source, one for each label."""

    labels: list[int] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    def shares(self) -> "Shares":
        """Return the shares."""
        digits = np.array([answer.digit for answer in self.answers])
        certain = np.array([answer.certain for answer in self.answers])
        codes = [answer.code for answer in self.answers]
        right = digits == np.array(self.labels)
        return Shares(
            count=len(codes),
            right=float(np.mean(right)),
            refused=sum(map(bool, codes)) / len(codes),
            several=codes.count("several_digits") / len(codes),
            certain=float(certain.mean()),
            misled=float(np.mean(certain & ~right)),
        )


@dataclass(frozen=True)
class Shares:
    """Shares of `count` pictures: correct; rejected, and of these as several digits; certain; certain and wrong."""

    count: int
    right: float
    refused: float
    several: float
    certain: float
    misled: float

    @property
    def unsure(self) -> float:
        """The share rejected or uncertain, the wanted outcome without a digit."""
        return 1 - self.certain


def run(batches: Iterable[Batch], models: Path, *, seed: int, processes: int, keep: bool) -> dict[str, Tally]:
    """Have the newest version under `models` read every picture; return the results by source.

    A picture depends only on `seed`, its source and its index, not on the number of `processes`.
    """
    tasks = [task for batch in batches for task in _tasks(batch, seed, keep)]
    tallies: dict[str, Tally] = {}
    for task, answers, examples in _outcomes(tasks, models, processes):
        tally = tallies.setdefault(task.source, Tally())
        tally.labels.extend(task.labels)
        tally.answers.extend(answers)
        tally.examples.extend(examples[: _KEPT - len(tally.examples)])
    return tallies


@dataclass(frozen=True)
class _Task:
    source: str
    items: tuple[Any, ...]
    labels: tuple[int, ...]
    seed: tuple[int, int]
    first: int
    keep: bool


_Outcome = tuple[_Task, list[Answer], list[Example]]


def _tasks(batch: Batch, seed: int, keep: bool) -> Iterator[_Task]:
    origin = (seed, zlib.crc32(batch.source.encode()))
    for first in range(0, len(batch.items), _CHUNK):
        part = slice(first, first + _CHUNK)
        yield _Task(batch.source, tuple(batch.items[part]), tuple(batch.labels[part]), origin, first, keep)


def _outcomes(tasks: Sequence[_Task], models: Path, processes: int) -> Iterator[_Outcome]:
    if processes == 1:
        _start(models)
        yield from map(_perform, tasks)
        return
    # Spawned, not forked: an engine has threads.
    with get_context("spawn").Pool(processes, _start, (models,)) as pool:
        yield from pool.imap(_perform, tasks)


class _Process:
    """State of a worker process."""

    reader: Reader
    sources: dict[str, Source]


def _start(models: Path) -> None:
    cv2.setNumThreads(1)
    _Process.reader, _Process.sources = Reader.open(models), sources()


def _perform(task: _Task) -> _Outcome:
    answers, examples = [], []
    for number, (item, label) in enumerate(zip(task.items, task.labels, strict=True), task.first):
        content = _Process.sources[task.source](item, np.random.default_rng([*task.seed, number]))
        answer, seen = _Process.reader.read(content)
        answers.append(answer)
        if task.keep and _failed(answer, label):
            examples.append(Example(content, seen, label, answer))
    return task, answers, examples


def _failed(answer: Answer, label: int) -> bool:
    return answer.certain if label == NO_DIGIT else answer.digit != label
