"""Worker processes that make pictures: each takes the next chunk from a shared counter and writes it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import Any

import cv2

from training.errors import TrainingError
from training.synthesis import pictures
from training.synthesis.pictures import Chunk
from training.synthesis.store import Store

Progress = Callable[[int, int], None]

_LOOK_EVERY_SECONDS = 0.2


def make(store: Store, chunks: Sequence[Chunk], *, seed: int, processes: int, progress: Progress) -> None:
    """Make the chunks in worker processes and store them; `progress` gets the pictures done and in all.

    Raises:
        OSError: the disk is full.
        TrainingError: a process was killed.
    """
    total = sum(chunk.count for chunk in chunks)
    if processes <= 1:
        done = 0
        for chunk in chunks:
            _make_one(store, chunk, seed)
            done += chunk.count
            progress(done, total)
        return
    # spawn, not fork: TensorFlow has started threads, and a fork of a threaded process can deadlock
    context = multiprocessing.get_context("spawn")
    taken, errors = context.Value("q", 0), context.SimpleQueue()
    makers = [context.Process(target=_work, args=(store, chunks, seed, taken, errors)) for _ in range(processes)]
    try:
        for maker in makers:
            maker.start()
        _watch(makers, errors, lambda: progress(_done(chunks, taken.value - processes), total))
    finally:
        for maker in makers:
            if maker.is_alive():
                maker.kill()  # a half-made chunk is lost, a written one is whole
    progress(total, total)


def _watch(makers: Sequence[Any], errors: Any, look: Callable[[], None]) -> None:
    """Wait until all processes have ended."""
    running = list(makers)
    while running:
        wait([maker.sentinel for maker in running], timeout=_LOOK_EVERY_SECONDS)
        ended = [maker for maker in running if maker.exitcode is not None]
        if not errors.empty():
            raise errors.get()
        if any(maker.exitcode != 0 for maker in ended):
            raise TrainingError(
                "A process that made pictures was killed: free some memory and start again; finished pictures are kept."
            )
        running = [maker for maker in running if maker not in ended]
        look()


def _done(chunks: Sequence[Chunk], count: int) -> int:
    return sum(chunk.count for chunk in chunks[: max(0, count)])


def _work(store: Store, chunks: Sequence[Chunk], seed: int, taken: Any, errors: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(chunks):
                return
            _make_one(store, chunks[number], seed)
    except OSError as error:
        errors.put(error)


def _make_one(store: Store, chunk: Chunk, seed: int) -> None:
    store.write(chunk, pictures.make(chunk, store.digits_of(chunk.kind), seed))


def _end_with_parent() -> None:
    """End this process when its parent is gone, for a killed parent cannot say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
