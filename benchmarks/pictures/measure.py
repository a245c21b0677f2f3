"""Makes pictures, has them read in several processes, and counts the answers."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.pictures.reader import Answer, Reader, Seen
from benchmarks.pictures.sources import Source, sources

NO_DIGIT = -1  # the label of a picture without a digit

_CHUNK = 20  # pictures that a process takes at a time
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
    tasks = [
        _Task(batch.source, item, label, (seed, zlib.crc32(batch.source.encode()), number))
        for batch in batches
        for number, (item, label) in enumerate(zip(batch.items, batch.labels, strict=True))
    ]
    tallies: dict[str, Tally] = {}
    for task, (answer, example) in zip(tasks, _outcomes(tasks, models, processes), strict=True):
        tally = tallies.setdefault(task.source, Tally())
        tally.labels.append(task.label)
        tally.answers.append(answer)
        if keep and example and len(tally.examples) < _KEPT:
            tally.examples.append(example)
    return tallies


class _Task(NamedTuple):
    source: str
    item: Any
    label: int
    seed: tuple[int, int, int]


_Outcome = tuple[Answer, Example | None]


def _outcomes(tasks: Sequence[_Task], models: Path, processes: int) -> Iterator[_Outcome]:
    if processes == 1:
        _start(models)
        yield from map(_perform, tasks)
        return
    # Spawned, not forked: an engine has threads.
    with get_context("spawn").Pool(processes, _start, (models,)) as pool:
        yield from pool.imap(_perform, tasks, _CHUNK)


class _Process:
    """State of a worker process."""

    reader: Reader
    sources: dict[str, Source]


def _start(models: Path) -> None:
    cv2.setNumThreads(1)
    _Process.reader, _Process.sources = Reader.open(models), sources()


def _perform(task: _Task) -> _Outcome:
    content = _Process.sources[task.source](task.item, np.random.default_rng(task.seed))
    answer, seen = _Process.reader.read(content)
    wrong = answer.certain if task.label == NO_DIGIT else answer.digit != task.label
    return answer, Example(content, seen, task.label, answer) if wrong else None
