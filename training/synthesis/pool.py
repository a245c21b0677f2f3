"""Pictures that are learnt beside MNIST, made once before the training: rendered digits, drawn forms, outliers.

Each picture is a function of the seed, its kind and its number, so it does not matter how many processes make them, and
a larger pool of the same seed begins with the pictures of a smaller one.
"""

import multiprocessing
import os
import signal
import threading
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
from training.data.mnist import NO_DIGIT, Bytes, Mnist
from training.errors import RunError, TrainingError
from training.recipe import Mixture
from training.synthesis import conditions, forms, outliers

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

    @property
    def tried(self) -> int:
        """How many were to be made."""
        return len(self.labels) + self.refused


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


def open_or_make(
    path: Path,
    mixture: Mixture,
    data: Mnist,
    *,
    seed: int,
    known: Pool | None = None,
    progress: Callable[[int, int], None],
) -> Pool:
    """Return the pool that a run keeps at `path`, made and written there if it is missing.

    What `known` has, of the same seed and data, is not made again. `progress` is told from time to time how many
    pictures of how many are done.

    Raises:
        RunError: the file is damaged.
    """
    if path.exists():
        return _read(path)
    pool = make(mixture, data, seed=seed, known=known, progress=progress)
    _write(path, pool)
    return pool


def make(
    mixture: Mixture,
    data: Mnist,
    *,
    seed: int,
    known: Pool | None = None,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Pool:
    """Make the pool of a mixture; where `processes` is None, in one for each processor that this one may use.

    It begins with what `known` has, a pool of the same seed and data, unless that one has more of a kind.
    """
    started = time.perf_counter()
    counts = _counts(mixture, data)
    if known is None or any(known.parts[kind].tried > count for kind, count in counts.items()):
        known = Pool({kind: join([]) for kind in counts}, 0.0)
    jobs = [job for kind, count in counts.items() for job in _jobs(kind, known.parts[kind].tried, count, data, seed)]
    made: dict[str, list[Part]] = {kind: [known.parts[kind]] for kind in counts}
    done, total = 0, sum(job.count for job in jobs)
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if total >= _ALONE_BELOW else 1
    with _mapper(processes) as apply:
        for job, part in zip(jobs, apply(_do, jobs), strict=True):
            made[job.kind].append(part)
            done += job.count
            progress(done, total)
    seconds = known.seconds + time.perf_counter() - started
    return Pool({kind: join(parts) for kind, parts in made.items()}, seconds)


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


def _counts(mixture: Mixture, data: Mnist) -> dict[str, int]:
    training = (mixture.renderings, mixture.forms, mixture.outliers)
    validation = (len(data.validation_labels), mixture.held_out, mixture.held_out)
    return dict(zip((*TRAINING, *VALIDATION), (*training, *validation), strict=True))


def _jobs(kind: str, known: int, total: int, data: Mnist, seed: int) -> Iterator[_Job]:
    """Yield what makes the pictures of a kind from number `known` on."""
    shown = {
        RENDERINGS: (data.train_images, data.train_labels),
        VALIDATION[0]: (data.validation_images, data.validation_labels),
    }
    for first in range(known, total, _CHUNK):
        count = min(_CHUNK, total - first)
        if kind in shown:
            images, labels = shown[kind]
            numbers = np.arange(first, first + count) % len(images)  # each digit in turn, and again
            yield _Job(kind, seed, first, count, images[numbers], labels[numbers])
        else:
            yield _Job(kind, seed, first, count)


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
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process once its parent has, which cannot tell it to where it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
