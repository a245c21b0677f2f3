"""The store of pool pictures: a directory whose name depends on everything that makes them.

A second run, a branch and a teacher reuse them; a change of the preprocessing makes new ones.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

import service.preprocessing.mnist_format as mnist_format
from training.data.mnist import Mnist
from training.errors import RunError
from training.files import read_npz, replace_file
from training.synthesis.pictures import VALIDATION, Chunk, Digits, Part

_SOURCES = (Path(mnist_format.__file__).parent, Path(__file__).parent)
_TOOLS = ("numpy", "opencv-python-headless", "hershey-fonts")


@dataclass(frozen=True)
class Store:
    """The pictures of one seed and one set of digits, a file a chunk, with those digits."""

    directory: Path

    @classmethod
    def open(cls, pools: Path, data: Mnist, seed: int) -> "Store":
        """Return the store under `pools`, with the digits of `data` in it.

        Raises:
            OSError: the disk is full or the directory cannot be written.
        """
        store = cls(pools / f"seed{seed}-{_fingerprint(data, seed)}")
        store.directory.mkdir(parents=True, exist_ok=True)
        splits = {
            "training": Digits(data.train_images, data.train_labels),
            "validation": Digits(data.validation_images, data.validation_labels),
        }
        for split, digits in splits.items():
            for field, array in digits._asdict().items():
                path = store._digits(split, field)
                if not path.exists():
                    _write(path, lambda file, array=array: np.save(file, array))
        return store

    def digits_of(self, kind: str) -> Digits:
        """Return the digits that a kind renders, memory-mapped."""
        split = "validation" if kind in VALIDATION else "training"
        return Digits(*(np.load(self._digits(split, field), mmap_mode="r") for field in Digits._fields))

    def has(self, chunk: Chunk) -> bool:
        """Whether a chunk is stored."""
        return self._path(chunk).exists()

    def write(self, chunk: Chunk, part: Part) -> None:
        """Store the pictures of a chunk."""
        arrays: dict[str, Any] = {"images": part.images, "labels": part.labels, "refused": part.refused}
        _write(self._path(chunk), lambda file: np.savez_compressed(file, **arrays))

    def read(self, chunk: Chunk) -> Part:
        """Return the pictures of a chunk.

        Raises:
            RunError: the file is damaged.
        """
        path = self._path(chunk)
        try:
            found = read_npz(path)
            return Part(found["images"], found["labels"], int(found["refused"]))
        except (ValueError, KeyError) as error:
            raise RunError(f"{path} cannot be read ({error}): delete it and start again.") from error

    def _path(self, chunk: Chunk) -> Path:
        return self.directory / f"{chunk.kind}-{chunk.first:06}-{chunk.count}.npz"

    def _digits(self, split: str, field: str) -> Path:
        return self.directory / f"digits-{split}-{field}.npy"


def _write(path: Path, save: Any) -> None:
    def write(beside: Path) -> None:
        with beside.open("wb") as file:
            save(file)

    replace_file(path, write, maker=f"{os.getpid()}-")  # two trainings may make one pool at once


def _fingerprint(data: Mnist, seed: int) -> str:
    """Return a short hash of what determines a picture: seed, digits, sources, library versions."""
    sources = [hashlib.sha256(path.read_bytes()).hexdigest() for root in _SOURCES for path in sorted(root.glob("*.py"))]
    tools = {name: installed(name) for name in _TOOLS}
    said = json.dumps({"seed": seed, "data": dict(data.sha256), "sources": sources, "tools": tools}, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]
