"""Train the network of a recipe, with a checkpoint after each epoch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.data.mnist import Bytes, Mnist
from training.data.own.digits import NONE, Share
from training.data.targets import targets
from training.fitting import batches, device, loop
from training.fitting.run import Run
from training.model import distill, network
from training.progress import say
from training.recipe import Recipe
from training.synthesis import augment
from training.synthesis.pictures import Part

Entry = dict[str, float]  # metrics of an epoch
History = list[Entry]


@dataclass(frozen=True)
class Fitted:
    """A trained model, float32 on the CPU, and the metrics of each epoch."""

    model: Any
    history: History


def fit(
    recipe: Recipe,
    data: Mnist,
    run: Run,
    *,
    seed: int,
    epochs: int,
    strategy: Any,
    pool: Part | None = None,
    teachers: Sequence[Any] = (),
    start: Any = None,
    callbacks: Sequence[Any] = (),
    xla: bool | None = None,
    may_diverge: bool = False,
) -> Fitted:
    """Train `recipe` on `data.train_*` for `epochs` from the checkpoint of `run`, or from the start.

    `pool` is what the recipe mixes in, `teachers` (of its network) what it is distilled from, `start` the model whose
    weights it starts from. An epoch shows each training digit once, with pool pictures beside them. `callbacks` are
    Keras'. `xla` compiles the epoch; None decides by the device. With `may_diverge` a NaN loss is a valid result.

    The validation split decides nothing: the result has the last epoch's weights, or their mean with `start`'s.

    Raises:
        TrainingError: NaN loss, device failure, device out of memory, or a damaged checkpoint.
    """
    steps = batches.steps_per_epoch(len(data.train_images), batches.digits_per_batch(recipe))
    xla = device.wins_by_xla(strategy, epochs * steps * recipe.batch_size) if xla is None else xla
    keras.utils.set_random_seed(seed)
    with device.failures_explained(), strategy.scope():
        model, behind = _restored(recipe, run, start, steps, epochs)
        loss = _loss(model, recipe, teachers)
        own = data.own.learnt if recipe.own_per_batch and data.own is not None else NONE
        images = loop.place(*_learnt(data, pool, own), own=len(own.labels))
        trainer = loop.Loop(model, loss, images, recipe, strategy, seed, steps, xla, may_diverge)
    judge = loop.Validation(model, data.validation_images, targets(data.validation_labels))
    counts = {"digits": len(data.train_labels), "pool": 0 if pool is None else len(pool.labels), "own": len(own.labels)}

    def train(epoch: int) -> Entry:
        order = batches.order(recipe, range(epoch * steps, (epoch + 1) * steps), seed=seed, **counts)
        with device.failures_explained(), tf.device(strategy.extended.worker_devices[0]):
            return _train(trainer, judge, order, epoch)

    history = _course(run, model, train, range(behind, epochs), keras.callbacks.CallbackList([*callbacks], model=model))
    return Fitted(_finished(model, recipe, start), history)


def _course(run: Run, model: Any, train: Callable[[int], Entry], epochs: range, watchers: Any) -> History:
    """Train epoch by epoch and save each; return the metrics of all epochs, earlier ones included."""
    history = run.read_history()[: epochs.start]
    log = tf.summary.create_file_writer(str(run.directory / "tensorboard"))
    watchers.on_train_begin()
    for epoch in epochs:
        watchers.on_epoch_begin(epoch)
        history.append(train(epoch))
        _note(log, history[-1], epochs.stop)
        run.save(model, history)
        watchers.on_epoch_end(epoch, history[-1])
    log.close()
    watchers.on_train_end()
    return history


def _restored(recipe: Recipe, run: Run, start: Any, steps: int, epochs: int) -> tuple[Any, int]:
    """Return the compiled model of the checkpoint, and how many epochs it was trained."""
    model = network.build(recipe)
    if start is not None:
        model.set_weights(start.get_weights())
    network.compile_for(model, recipe, steps_per_epoch=steps, epochs=epochs)
    behind = run.restore(model)
    network.skip(model, behind * steps)
    return model, behind


def _loss(model: Any, recipe: Recipe, teachers: Sequence[Any]) -> loop.Loss:
    """Return the training loss: against the targets, or against the teachers' answers."""
    if not teachers:
        return lambda batch, answers: model.loss.call(batch.targets, answers)
    copies = [network.build(recipe) for _ in teachers]  # on the devices of the strategy in scope, in its precision
    for copy, teacher in zip(copies, teachers, strict=True):
        copy.set_weights(teacher.get_weights())
    bounds = recipe.teacher_deformation
    deform = None if bounds is None else partial(augment.deform, deformation=bounds)
    return distill.loss(copies, recipe.teacher_temperature, deform)


def _learnt(data: Mnist, pool: Part | None, own: Share) -> tuple[Bytes, Any]:
    """Return training digits, the pool's pictures and own digits, uint8 [N, 28, 28], and their targets [N, 10]."""
    parts = [each for each in (pool, own) if each is not None and len(each.labels)]
    if not parts:
        return data.train_images, targets(data.train_labels)
    labels = np.concatenate([data.train_labels, *(part.labels for part in parts)])
    return np.concatenate([data.train_images, *(part.images for part in parts)]), targets(labels)


def _train(trainer: loop.Loop, judge: loop.Validation, order: batches.Order, epoch: int) -> Entry:
    """Train an epoch and return its metrics; the time excludes validation."""
    started = time.perf_counter()
    figures = trainer.train(order, epoch * len(order))
    seconds = time.perf_counter() - started
    validation = {f"val_{name}": value for name, value in judge.judge()._asdict().items()}
    speed = {"seconds": seconds, "images_per_second": order.size / seconds}
    return {"epoch": epoch + 1, **figures._asdict(), **validation, **speed}


def _note(log: Any, entry: Entry, epochs: int) -> None:
    """Print an epoch's metrics and write them for TensorBoard."""
    say(
        "fit",
        f"epoch {entry['epoch']} of {epochs}: loss {entry['loss']:.4f}, validation {entry['val_loss']:.4f}, "
        f"{entry['val_accuracy']:.2%} right; {entry['images_per_second']:,.0f} images/s",
    )
    with log.as_default(step=int(entry["epoch"])):
        for name, value in entry.items():
            tf.summary.scalar(name, value)


def _finished(model: Any, recipe: Recipe, start: Any) -> Any:
    """Return the trained model as the export needs it: float32, on the CPU.

    Mixed precision and TensorFloat-32 round more coarsely, and tf2onnx does not convert mirrored variables.
    """
    with tf.distribute.OneDeviceStrategy("/CPU:0").scope():
        copy = network.build(recipe, precision="float32")
        trained = network.pooled(copy)
    copy.set_weights(model.get_weights())
    if start is not None:
        _set_mean(trained, [trained, start], [1 - recipe.start_share, recipe.start_share])
    return trained


def mean(branches: Sequence[Fitted]) -> Fitted:
    """Return the first model with the mean of all weights (Wortsman et al. 2022, "Model soups")."""
    _set_mean(branches[0].model, [branch.model for branch in branches], [1 / len(branches)] * len(branches))
    return branches[0]


def _set_mean(model: Any, models: Sequence[Any], shares: Sequence[float]) -> None:
    """Set the weights of `model` to the weighted mean of those of `models`."""
    weights = zip(*(each.get_weights() for each in models), strict=True)
    model.set_weights([np.average(each, axis=0, weights=shares) for each in weights])
