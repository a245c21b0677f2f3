"""Run directories: what an interrupted training needs to resume."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.errors import first_line
from training.data.mnist import Mnist
from training.errors import RunError
from training.files import read_json, read_npz, replace_file
from training.recipe import PUBLISHED, Recipe, completed

_IDENTITY = "run.json"
_HISTORY = "history.json"
_FINISHED = "finished"  # key in `run.json`: how the run ended
_EPOCHS = "epochs"  # key in a checkpoint: epochs trained
_REMEDY = "delete the run directory and start again"


@dataclass(frozen=True)
class Run:
    """The directory of a training run: `run.json`, `history.json` and the checkpoint.

    Raises:
        RunError: from `open`, where the directory holds something else than this run.
    """

    directory: Path
    identity: dict[str, Any]

    @classmethod
    def open(
        cls,
        directory: Path,
        recipe: Recipe,
        epochs: int,
        seed: int,
        data: Mnist,
        *,
        mixed_precision: bool = False,
        seeds: int = 1,
        resume: bool,
    ) -> "Run":
        """Open the run in `directory`: the interrupted one if `resume`, else a new one.

        A recipe that starts from a published version is short; it replaces an unfinished run.
        """
        identity = {
            "recipe": recipe.to_dict(),
            "epochs": epochs,
            "seed": seed,
            "seeds": seeds,
            "mixed precision": mixed_precision,
            "data": data.fingerprint if recipe.own_per_batch else dict(data.sha256),
        }
        identity = json.loads(json.dumps(identity))  # tuples become lists, as when read back
        run = cls(directory, identity)
        found = run._read_identity()
        if resume:
            run._check_same(found)
        elif found is not None and not found.get(_FINISHED) and run.weights.exists() and recipe.start != PUBLISHED:
            raise RunError(
                f"{directory} holds an unfinished run: continue with --resume, or give another --run-dir, or delete it."
            )
        else:
            run._start()
        return run

    @staticmethod
    def is_in(directory: Path) -> bool:
        """Whether a run was started in `directory`."""
        return (directory / _IDENTITY).exists()

    @property
    def weights(self) -> Path:
        """The checkpoint: weights and optimizer state after the last complete epoch."""
        return self.directory / "checkpoint.npz"

    @property
    def finished(self) -> str | None:
        """How the run ended, such as "published as version 1"; None if it has not."""
        return (self._read_identity() or {}).get(_FINISHED)

    def read_history(self) -> list[dict[str, float]]:
        """Return the metrics of the epochs so far."""
        return read_json(self.directory / _HISTORY, list, _REMEDY) or []

    def save(self, model: Any, history: list[dict[str, float]]) -> None:
        """Write the history, then the checkpoint, each atomically.

        Not with Keras' `save_weights`: on a full disk HDF5 ends in a segmentation fault.

        Raises:
            OSError: the disk is full.
        """

        # Not the optimizer's step count: mixed precision skips steps whose gradients overflow.
        arrays: dict[str, Any] = {_EPOCHS: len(history)}
        arrays |= {str(number): variable.numpy() for number, variable in enumerate(_variables(model))}

        def write_checkpoint(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, **arrays)

        replace_file(self.directory / _HISTORY, lambda path: path.write_text(json.dumps(history, indent=1)))
        replace_file(self.weights, write_checkpoint)

    def restore(self, model: Any) -> int:
        """Load the checkpoint, if any, into the compiled `model`; return how many epochs it was trained.

        Raises:
            RunError: the checkpoint is damaged, or the history lacks its epochs.
        """
        if not self.weights.exists():
            return 0
        model.optimizer.build(model.trainable_variables)
        try:
            found = read_npz(self.weights)
            epochs = int(found[_EPOCHS])
            for number, variable in enumerate(_variables(model)):
                variable.assign(found[str(number)])
        except (KeyError, ValueError) as error:
            raise RunError(f"{self.weights} cannot be read ({first_line(error)}): {_REMEDY}.") from error
        if len(self.read_history()) < epochs:
            raise RunError(f"{self.directory / _HISTORY} lacks epochs of the checkpoint: {_REMEDY}.")
        return epochs

    def mark_finished(self, how: str) -> None:
        """Record that this run is complete, so that the next one may start over; what was recorded before stays."""
        if not self.finished:
            self._write_identity(self.identity | {_FINISHED: how})

    def _read_identity(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = read_json(self.directory / _IDENTITY, dict, _REMEDY)
        return found

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.weights.unlink(missing_ok=True)
        (self.directory / _HISTORY).unlink(missing_ok=True)
        self._write_identity(self.identity)

    def _write_identity(self, identity: dict[str, Any]) -> None:
        replace_file(self.directory / _IDENTITY, lambda path: path.write_text(json.dumps(identity, indent=1)))

    def _check_same(self, found: dict[str, Any] | None) -> None:
        if found is None:
            raise RunError(
                f"{self.directory} holds no run to resume: give the directory of one, or start one without --resume."
            )
        found = {"seeds": 1} | found | {"recipe": completed(found.get("recipe", {}))}
        differing = [key for key, value in self.identity.items() if found.get(key) != value]
        if differing:
            raise RunError(
                f"{self.directory} holds a run with another {' and '.join(differing)}: give the options that it was "
                "started with, or another directory."
            )


def _variables(model: Any) -> list[Any]:
    """Return the variables of a checkpoint: weights, then optimizer state."""
    return [*model.weights, *model.optimizer.variables]
