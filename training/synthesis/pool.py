"""The pool of pictures that a recipe mixes in, made before training and kept for later runs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.cpus import available_cpus
from training.data.mnist import Mnist
from training.recipe import Mixture
from training.synthesis import makers
from training.synthesis.makers import Progress
from training.synthesis.pictures import ALIKE, KINDS, TRAINING, Chunk, Part, join
from training.synthesis.store import Store

_CHUNK = 250  # pictures made and stored together: some seconds of work
_ALONE_BELOW = 2_000  # pictures; fewer take less time than starting processes


@dataclass(frozen=True)
class Pool:
    """The parts by kind, and the seconds it took to make or read them."""

    parts: Mapping[str, Part]
    seconds: float

    @property
    def training(self) -> Part:
        """The pictures that are mixed into batches."""
        return join([self.parts[kind] for kind in (*TRAINING, ALIKE)])

    def counts(self) -> dict[str, Any]:
        """Return the number of pictures and of rejected ones by kind, for the manifest."""
        return {kind: {"count": len(part.labels), "refused": part.refused} for kind, part in self.parts.items()}


def open_or_make(
    pools: Path,
    mixture: Mixture,
    data: Mnist,
    *,
    seed: int,
    processes: int | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Pool:
    """Return the pool of a mixture; pictures missing under `pools` are made and stored there.

    With `processes` None there is one for each available processor. `progress` gets the pictures done and in all from
    time to time.

    Raises:
        OSError: the disk is full or `pools` cannot be written.
        TrainingError: a file is damaged, or a process was killed.
    """
    started = time.perf_counter()
    store = Store.open(pools, data, seed)
    chunks = list(_chunks(mixture, data))
    missing = [chunk for chunk in chunks if not store.has(chunk)]
    if processes is None:
        alone = sum(chunk.count for chunk in missing) < _ALONE_BELOW
        processes = 1 if alone else available_cpus()
    if missing:
        makers.make(store, missing, seed=seed, processes=processes, progress=progress)
    parts = {kind: join([store.read(chunk) for chunk in chunks if chunk.kind == kind]) for kind in KINDS}
    return Pool(parts, time.perf_counter() - started)


def _chunks(mixture: Mixture, data: Mnist) -> Iterator[Chunk]:
    training = (mixture.renderings, mixture.forms, mixture.outliers)
    renderings = min(len(data.validation_labels), mixture.renderings)
    validation = (renderings, mixture.held_out, mixture.held_out)
    for kind, total in zip(KINDS, (*training, *validation, mixture.alike), strict=True):
        for first in range(0, total, _CHUNK):
            yield Chunk(kind, first, min(_CHUNK, total - first))
