"""The whole path of one training run, a line a stage: data, pool, fit, calibrate, export, verify, publish."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from service.errors import SelfTestError
from service.inference.engine import Engine
from training.data.mnist import Mnist
from training.errors import TrainingError
from training.files import locked, replace_file
from training.fitting import device, learn
from training.options import Options
from training.progress import say
from training.recipe import Recipe
from training.release import calibrate, export, figures, own, publish, triton, verify, version
from training.release.calibrate import Calibrated

_SHOWN = 10  # of what is rejected; the rest stands in a file


def run(recipe: Recipe, data: Mnist, options: Options) -> str | None:
    """Train, verify and publish `recipe`; return the number of the version, None where nothing was left to do.

    Raises:
        TrainingError: nothing was published; the message says why and what to do.
    """
    _check_writable(options.models / recipe.model_name)
    strategy = device.strategy(options.device, mixed_precision=options.mixed_precision)
    counts = [len(labels) for labels in (data.train_labels, data.validation_labels, data.test_labels)]
    say("data", "{:,} training, {:,} validation, {:,} test digits".format(*counts))
    with locked(options.run_dir):
        return _run(recipe, data, options, strategy)


def _run(recipe: Recipe, data: Mnist, options: Options, strategy: Any) -> str | None:
    state = learn.open_run(recipe, data, options)
    _say_own(data, state.directory)
    if state.finished:
        say("publish", f"nothing is left to do: what {state.directory} holds was {state.finished}")
        return None
    learnt = learn.each_seed(recipe, data, state, strategy, options)
    candidates = [calibrate.calibrate(each, data) for each in learnt]
    chosen = calibrate.median(candidates)
    judged = own.judge(chosen, data)
    own.check(judged, force=options.force)
    verification = _export(chosen, recipe, data)
    found = figures.figures(chosen, candidates, verification, data, options, device.describe(strategy))
    found["own"] = judged
    name = recipe.model_name
    triton.write(options.models / name, name)  # before the version that it describes
    number = publish.publish(options.models, name, version.writer(recipe, data, found, verification))
    state.mark_finished(f"published as version {number}")
    say("publish", str(options.models / name / number))
    return number


def _check_writable(versions: Path) -> None:
    """Find out before the training, not after it."""
    try:
        versions.mkdir(parents=True, exist_ok=True)
        if not os.access(versions, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise TrainingError(
            f"{versions} cannot be written ({error.strerror}): change its owner, "
            "or give another directory with --models."
        ) from error


def _say_own(data: Mnist, directory: Path) -> None:
    """Say what is there of the user's own digits, and list what is rejected in the run's directory."""
    if data.own is None:
        return
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in data.own.counts().items() if count]
    say("own", ", ".join(counts))
    for line in data.own.notes:
        say("own", line)
    lines = [f"{each.source}: {each.reason}" for each in data.own.rejected]
    for line in lines[:_SHOWN]:
        say("own", f"rejected: {line}")
    if lines:
        path = directory / "rejected.txt"
        replace_file(path, lambda beside: beside.write_text("\n".join(lines) + "\n", encoding="utf-8"))
        say("own", f"all that is rejected: {path}")


def _export(chosen: Calibrated, recipe: Recipe, data: Mnist) -> verify.Verification:
    """Export the model and hold both graphs to it."""
    say("export", f"seed {chosen.learnt.seed} to ONNX, float32 and int8")
    if chosen.learnt.pictures is not None:
        learnt = chosen.learnt.pictures.training.images
    else:
        own = [] if data.own is None else [data.own.learnt.images]
        learnt = np.concatenate([data.train_images, *own])
    float32 = export.export_float32(chosen.learnt.fitted.model, chosen.temperature, recipe)
    int8 = export.export_int8(float32, learnt)
    verification = verify.verify(
        float32,
        int8,
        recipe,
        keras_probabilities=chosen.probabilities(data.test_images),
        test_images=data.test_images,
        test_labels=data.test_labels,
        certain_from=chosen.certain_from,
    )
    _say_verification(verification)
    return verification


def _say_verification(verification: verify.Verification) -> None:
    for name, found in verification.figures.items():
        say(
            "verify",
            f"{name}: {found.test.errors} errors in {found.test.count:,}; differs from Keras by "
            f"{found.keras_difference:.1e}; {found.microseconds:.0f} us an image",
        )
    if verification.left_out:
        say("verify", f"the int8 graph is left out: {verification.left_out}")
    for name, graph in verification.graphs.items():
        try:
            Engine.open(graph, file=name).read_specimens()
        except SelfTestError as error:
            say("verify", f"a service will refuse this version: {error}")
