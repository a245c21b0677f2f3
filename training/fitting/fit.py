"""Train the network of a recipe, with a checkpoint after each epoch to go on from."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from service.errors import first_line
from training.data.mnist import Mnist
from training.errors import RunError
from training.fitting import batches, device
from training.model import distill, network
from training.recipe import Recipe, completed
from training.synthesis.pool import Part

_MOST_STEPS_PER_EXECUTION = 32  # batches that one call into TensorFlow trains on; more gains nothing
_IDENTITY = "run.json"
_EPOCHS = "epochs"  # the attribute of a checkpoint that says after how many it was written


@dataclass(frozen=True)
class Fitted:
    """A trained model, in float32 on the CPU whatever trained it, and for each epoch its figures."""

    model: Any
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Run:
    """A directory under which a training run keeps what it needs to go on: `run.json`, `history.json`, weights, pool.

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
        resume: bool,
    ) -> "Run":
        """Return the run in `directory`: the one that was interrupted there where `resume`, else a new one."""
        identity = {
            "recipe": recipe.to_dict(),
            "epochs": epochs,
            "seed": seed,
            "mixed precision": mixed_precision,
            "data": dict(data.sha256),
        }
        identity = json.loads(json.dumps(identity))  # tuples become lists, as they will when read back
        run = cls(directory, identity)
        found = run._read_identity()
        if resume:
            run._check_same(found)
        elif found is not None and not found.get("finished") and run.weights.exists():
            raise RunError(
                f"{directory} holds a run that was not finished: go on with --resume, "
                "or name another --run-dir, or delete it."
            )
        else:
            run._start()
        return run

    @staticmethod
    def is_in(directory: Path) -> bool:
        """Tell whether a run was started in `directory`."""
        return (directory / _IDENTITY).exists()

    @property
    def weights(self) -> Path:
        """The checkpoint: weights and optimizer state after the last complete epoch."""
        return self.directory / "checkpoint.weights.h5"

    @property
    def pool(self) -> Path:
        """Where the pool of pictures is kept that the run mixes in."""
        return self.directory / "pool.npz"

    def read_history(self) -> list[dict[str, float]]:
        """Return the figures of the epochs so far."""
        return _read_json(self.directory / "history.json") or []

    def save(self, model: Any, history: list[dict[str, float]]) -> None:
        """Write the history, then the checkpoint, each in one step: a kill leaves the last whole one."""

        def write_checkpoint(path: Path) -> None:
            model.save_weights(path)
            # The optimizer's count of steps would not do: mixed precision leaves out those whose gradients overflow.
            with h5py.File(path, "a") as file:
                file.attrs[_EPOCHS] = len(history)

        _replace(self.directory / "history.json", lambda path: path.write_text(json.dumps(history, indent=1)))
        _replace(self.weights, write_checkpoint)

    def restore(self, model: Any) -> int:
        """Load the checkpoint, if there is one, into the compiled `model`; return how many epochs it has behind it.

        Raises:
            RunError: the checkpoint is damaged.
        """
        if not self.weights.exists():
            return 0
        model.optimizer.build(model.trainable_variables)
        try:
            with h5py.File(self.weights) as file:
                epochs = int(file.attrs[_EPOCHS])
            model.load_weights(self.weights)
        except (OSError, KeyError, ValueError) as error:
            raise _unreadable(self.weights, error) from error
        return epochs

    def mark_finished(self, how: str) -> None:
        """Record that nothing of this run is left to do, so that the next one may start over."""
        content = json.dumps(self.identity | {"finished": how}, indent=1)
        _replace(self.directory / _IDENTITY, lambda path: path.write_text(content))

    def _read_identity(self) -> dict[str, Any] | None:
        path = self.directory / _IDENTITY
        found = _read_json(path)
        if found is not None and not isinstance(found, dict):
            raise _unreadable(path, ValueError("it is no JSON object"))
        return found

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.weights.unlink(missing_ok=True)
        self.pool.unlink(missing_ok=True)
        (self.directory / "history.json").unlink(missing_ok=True)
        _replace(self.directory / _IDENTITY, lambda path: path.write_text(json.dumps(self.identity, indent=1)))

    def _check_same(self, found: dict[str, Any] | None) -> None:
        if found is None:
            raise RunError(f"{self.directory} holds no run to resume: leave --resume out to start one.")
        found = found | {"recipe": completed(found.get("recipe", {}))}
        differing = [key for key, value in self.identity.items() if found.get(key) != value]
        if differing:
            raise RunError(
                f"{self.directory} holds a run with another {' and '.join(differing)}: resume it with the options "
                "that it was started with, or name another --run-dir."
            )


def fit(
    recipe: Recipe,
    data: Mnist,
    run: Run,
    *,
    seed: int,
    epochs: int,
    strategy: Any,
    pool: Part | None = None,
    teacher: Any = None,
    start: Any = None,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Train `recipe` on `data.train_*` for `epochs` from the checkpoint of `run`, or from the start.

    `pool` is what the recipe mixes in, `teacher` the trained model that it learns from, where it has one, and
    `start` the one whose weights it starts from. An epoch shows each training digit once, and the pool's pictures
    beside them. `callbacks` are Keras', to look on with.

    The validation split is looked at after each epoch and decides nothing here: the weights are those of the last
    epoch, where the learning rate has come down to zero, or their mean with those of `start`.
    """
    steps = batches.steps_per_epoch(len(data.train_images), batches.digits_per_batch(recipe))
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        model = network.build(recipe)
        if start is not None:
            model.set_weights(start.get_weights())
        if teacher is not None:
            model = distill.Pupil(model, _copy(teacher), recipe.teacher_temperature)
        network.compile_for(
            model,
            recipe,
            steps_per_epoch=steps,
            epochs=epochs,
            steps_per_execution=_steps_per_execution(steps, strategy.num_replicas_in_sync),
        )
        first_epoch = run.restore(model)
        network.skip(model, first_epoch * steps)
    on_gpu = recipe.deformation if device.is_gpu(strategy) else None  # a CPU deforms beside the training, not in it
    if on_gpu:
        model.train_step = batches.deforming(model.train_step, on_gpu, seed=seed)
    history = run.read_history()[:first_epoch]
    clock = batches.WaitClock()
    dataset = batches.batches(
        data.train_images,
        data.train_labels,
        recipe,
        seed=seed,
        first_step=first_epoch * steps,
        pool=pool,
        deformed=not on_gpu,
    )
    if first_epoch < epochs:
        model.fit(
            clock.watch(dataset),
            initial_epoch=first_epoch,
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=(data.validation_images, batches.targets(data.validation_labels)),
            validation_batch_size=1000,
            shuffle=False,  # the dataset is shuffled already
            callbacks=[
                _Recorder(run, history, clock, images_per_epoch=steps * recipe.batch_size),
                keras.callbacks.TensorBoard(run.directory / "tensorboard", write_graph=False),
                *callbacks,
            ],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    trained = _in_float32_on_cpu(model, recipe)
    if start is not None:
        share = recipe.start_share
        _set_mean(trained, [trained, start], [1 - share, share])
    return Fitted(trained, history)


def _steps_per_execution(steps: int, replicas: int) -> int:
    """Return how many of an epoch's `steps` to run in one call.

    It is a divisor, because Keras rounds an epoch up to whole calls. Several replicas take one, because Keras' loop
    over steps cannot carry batches that are split among devices.
    """
    if replicas > 1:
        return 1
    return max(count for count in range(1, _MOST_STEPS_PER_EXECUTION + 1) if steps % count == 0)


def _copy(model: Any) -> Any:
    """Return a copy of `model` where the strategy in scope computes."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32_on_cpu(model: Any, recipe: Recipe) -> Any:
    """Return a copy of `model` that computes what the export has to: mixed precision and TensorFloat-32 round coarser,
    and variables that several GPUs mirror do not convert."""
    with tf.distribute.OneDeviceStrategy("/CPU:0").scope():
        copy = network.build(recipe, precision="float32")
    copy.set_weights(model.get_weights())
    return network.pooled(copy)


def mean(branches: Sequence[Fitted]) -> Fitted:
    """Return the first of them with the mean of the weights of all."""
    _set_mean(branches[0].model, [branch.model for branch in branches], [1 / len(branches)] * len(branches))
    return branches[0]


def _set_mean(model: Any, models: Sequence[Any], shares: Sequence[float]) -> None:
    """Let the weights of `model` be the mean of those of `models`, of which each has its share."""
    weights = zip(*(each.get_weights() for each in models), strict=True)
    model.set_weights([np.average(each, axis=0, weights=shares) for each in weights])


class _Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """After each epoch: its figures into the history and the progress line, and a checkpoint."""

    def __init__(self, run: Run, history: list[dict[str, float]], clock: batches.WaitClock, images_per_epoch: int):
        super().__init__()
        self._run, self._history, self._clock = run, history, clock
        self._images_per_epoch = images_per_epoch
        self._started = self._trained = self._waited = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._started, self._trained, self._waited = time.perf_counter(), 0.0, self._clock.seconds

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._trained = time.perf_counter() - self._started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["seconds"] = self._trained
        logs["images_per_second"] = self._images_per_epoch / self._trained
        logs["waiting_share"] = (self._clock.seconds - self._waited) / self._trained
        self._history.append({"epoch": epoch + 1, **{name: float(value) for name, value in logs.items()}})
        self._run.save(self.model, self._history)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> RunError:
    return RunError(f"{path} cannot be read ({first_line(error)}): delete the run directory and start again.")


def _replace(path: Path, write: Any) -> None:
    """Let `write` make a file beside `path`, then put it in its place in one step."""
    beside = path.with_name("new-" + path.name)
    write(beside)
    beside.replace(path)
