"""Pictures that are learnt beside MNIST, made once before the training: rendered digits, drawn forms, outliers.

Each picture is a function of the seed, its kind and its number, so it does not matter how many processes make them.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np

from service.contract import IMAGE_SIDE
from service.errors import first_line
from training import conditions, forms, outliers
from training.dataset import NO_DIGIT, Bytes, Mnist
from training.errors import RunError, TrainingError
from training.recipes import Mixture

RENDERINGS, FORMS, OUTLIERS = "renderings", "forms", "outliers"
TRAINING = (RENDERINGS, FORMS, OUTLIERS)
#: The same kinds, of the validation digits and with other random numbers.
VALIDATION = tuple(f"validation_{kind}" for kind in TRAINING)

_CHUNK = 250  # pictures that a process makes at a time
_ALONE_BELOW = 2_000  # pictures, which take less time than the start of other processes


@dataclass(frozen=True)
class Part:
    """Pictures in the service's canonical form, uint8 [N, 28, 28], and their labels, uint8 [N], 10 for no digit.

    `refused` counts those that are missing, because the service would have refused them.
    """

    images: Bytes
    labels: Bytes
    refused: int


@dataclass(frozen=True)
class Pool:
    """The parts by kind: `TRAINING` and `VALIDATION`; and the seconds that it took to make them."""

    parts: Mapping[str, Part]
    seconds: float

    @property
    def training(self) -> Part:
        """What is mixed into the batches."""
        return join([self.parts[kind] for kind in TRAINING])

    def counts(self) -> dict[str, Any]:
        """Return of each kind how many there are and how many were refused, as it goes into the manifest."""
        return {kind: {"count": len(part.labels), "refused": part.refused} for kind, part in self.parts.items()}


def open_or_make(path: Path, mixture: Mixture, data: Mnist, *, seed: int, progress: Callable[[int, int], None]) -> Pool:
    """Return the pool that a run keeps at `path`, made and written there if it is missing.

    `progress` is told from time to time how many pictures of how many are done.

    Raises:
        RunError: the file is damaged.
    """
    if path.exists():
        return _read(path)
    pool = make(mixture, data, seed=seed, progress=progress)
    _write(path, pool)
    return pool


def make(
    mixture: Mixture,
    data: Mnist,
    *,
    seed: int,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Pool:
    """Make the pool of a mixture; where `processes` is None, in one for each processor that this one may use."""
    started = time.perf_counter()
    jobs = _jobs(mixture, data, seed)
    made: dict[str, list[Part]] = {kind: [] for kind in (*TRAINING, *VALIDATION)}
    done, total = 0, sum(job.count for job in jobs)
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if total >= _ALONE_BELOW else 1
    with _mapper(processes) as apply:
        for job, part in zip(jobs, apply(_do, jobs), strict=True):
            made[job.kind].append(part)
            done += job.count
            progress(done, total)
    return Pool({kind: join(parts) for kind, parts in made.items()}, time.perf_counter() - started)


def join(parts: list[Part]) -> Part:
    """Return the parts as one."""
    empty = Part(np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8), np.zeros(0, np.uint8), 0)
    every = [empty, *parts]
    return Part(
        np.concatenate([part.images for part in every]),
        np.concatenate([part.labels for part in every]),
        sum(part.refused for part in every),
    )


@dataclass(frozen=True)
class _Job:
    """Pictures `first` to `first + count` of a kind; `images` and `labels` are the digits that they show, if any."""

    kind: str
    seed: int
    first: int
    count: int
    images: Bytes | None = None
    labels: Bytes | None = None


def _jobs(mixture: Mixture, data: Mnist, seed: int) -> list[_Job]:
    train, validation = (
        (data.train_images, data.train_labels),
        (data.validation_images, data.validation_labels),
    )
    return [
        *_chunks(RENDERINGS, seed, mixture.renderings, *train),
        *_chunks(FORMS, seed, mixture.forms),
        *_chunks(OUTLIERS, seed, mixture.outliers),
        *_chunks(VALIDATION[0], seed, len(validation[1]), *validation),
        *_chunks(VALIDATION[1], seed, mixture.held_out),
        *_chunks(VALIDATION[2], seed, mixture.held_out),
    ]


def _chunks(
    kind: str, seed: int, total: int, images: Bytes | None = None, labels: Bytes | None = None
) -> Iterator[_Job]:
    for first in range(0, total, _CHUNK):
        count = min(_CHUNK, total - first)
        if images is None or labels is None:
            yield _Job(kind, seed, first, count)
        else:
            numbers = np.arange(first, first + count) % len(images)  # each digit in turn, and again
            yield _Job(kind, seed, first, count, images[numbers], labels[numbers])


def _do(job: _Job) -> Part:
    stream = (*TRAINING, *VALIDATION).index(job.kind)
    images, labels = [], []
    for index in range(job.count):
        random = np.random.default_rng([job.seed, stream, job.first + index])
        ink, label = _ink(job, index, random)
        image = conditions.seen(ink, random)
        if image is not None:
            images.append(image)
            labels.append(label)
    shape = (len(images), IMAGE_SIDE, IMAGE_SIDE)
    return Part(np.array(images, np.uint8).reshape(shape), np.array(labels, np.uint8), job.count - len(images))


def _ink(job: _Job, index: int, random: np.random.Generator) -> tuple[Bytes, int]:
    if job.images is not None and job.labels is not None:
        return conditions.enlarge(job.images[index]), int(job.labels[index])
    if job.kind.endswith(OUTLIERS):
        return outliers.draw_one(random), NO_DIGIT
    return forms.draw_one(random)


@contextmanager
def _mapper(processes: int) -> Iterator[Any]:
    """Give a `map` that keeps the order, over so many processes; over none where one is enough."""
    if processes <= 1:
        yield map
        return
    # Not a fork: TensorFlow has threads by now, and a fork of a threaded process may stand still for ever.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, context, initializer=_start_process) as executor:
            yield executor.map
    except BrokenProcessPool as error:
        raise TrainingError("A process that made pictures was killed: free some memory and start again.") from error


def _start_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    cv2.setNumThreads(1)


def _write(path: Path, pool: Pool) -> None:
    arrays: dict[str, Any] = {"seconds": pool.seconds}
    for kind, part in pool.parts.items():
        arrays |= {f"{kind}_images": part.images, f"{kind}_labels": part.labels, f"{kind}_refused": part.refused}
    beside = path.with_name("new-" + path.name)
    with beside.open("wb") as file:
        np.savez(file, **arrays)
    beside.replace(path)


def _read(path: Path) -> Pool:
    try:
        with path.open("rb") as content, np.load(content) as file:
            parts = {
                kind: Part(file[f"{kind}_images"], file[f"{kind}_labels"], int(file[f"{kind}_refused"]))
                for kind in (*TRAINING, *VALIDATION)
            }
            return Pool(parts, float(file["seconds"]))
    except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
        raise RunError(
            f"{path} cannot be read ({first_line(error)}): delete the run directory and start again."
        ) from error
