"""`python -m training compare`: compares recipes on the validation split.

Each finished recipe and seed leaves a file, so an interrupted comparison resumes where it stopped.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import keras

from training.data.mnist import Mnist
from training.errors import RunError, TrainingError
from training.files import locked, read_json, replace_file
from training.fitting import device, fit
from training.fitting.run import Run
from training.lessons import probe, side_by_side
from training.options import Device
from training.progress import say
from training.recipe import Recipe, completed
from training.release import report
from training.synthesis import pool

_NO_MATTER = ("summary", "accuracy_floor", "lesson")  # fields of a recipe that do not affect the comparison


@dataclass(frozen=True)
class Options:
    """Options of a comparison besides recipes and data; `directory` keeps finished runs."""

    epochs: int
    seeds: int
    device: Device
    directory: Path
    report: Path


def run(recipes: Sequence[Recipe], data: Mnist, options: Options) -> Path:
    """Train what is missing, seed by seed; write the report and return its path.

    Raises:
        TrainingError: the directory holds another comparison or an unreadable file, or another one is using it.
    """
    _check_alone(recipes)
    side_by_side.check_place(options.report)
    strategy = device.strategy(options.device)
    records: dict[str, list[dict[str, Any]]] = {recipe.name: [] for recipe in recipes}
    with locked(options.directory):
        for seed in range(1, options.seeds + 1):
            for recipe in recipes:
                record = _read_or_train(recipe, data, options, seed, strategy)
                records[recipe.name].append(record)
                say("compare", f"{recipe.name}, seed {seed}: {_words(record)}")
    path = side_by_side.write(options.report, {recipe: records[recipe.name] for recipe in recipes})
    say("compare", str(path))
    return path


def _check_alone(recipes: Sequence[Recipe]) -> None:
    for recipe in recipes:
        if recipe.teacher is not None or recipe.start is not None:
            raise TrainingError(
                f"{recipe.name} needs {recipe.teacher or recipe.start} first, which a comparison does not train: "
                f"leave it out, or train it by itself with --recipe {recipe.name}."
            )


def _read_or_train(recipe: Recipe, data: Mnist, options: Options, seed: int, strategy: Any) -> dict[str, Any]:
    path = options.directory / f"{recipe.name}-seed{seed}.json"
    identity = _identity(recipe, data, options.epochs, seed)
    if not path.exists():
        record = json.dumps(identity | _train(recipe, data, options, seed, strategy))
        replace_file(path, lambda beside: beside.write_text(record, encoding="utf-8"))
    found: dict[str, Any] = read_json(path, dict, "delete it to train that recipe again")
    found["recipe"] = _what_matters(completed(found.get("recipe", {})))
    differing = [key for key, value in identity.items() if found.get(key) != value]
    if differing:
        raise RunError(
            f"{path} was made with another {' and '.join(differing)}: "
            "give another --run-dir, or delete it to train that recipe again."
        )
    return found


def _identity(recipe: Recipe, data: Mnist, epochs: int, seed: int) -> dict[str, Any]:
    what = _what_matters(recipe.to_dict())
    found: dict[str, Any] = json.loads(
        json.dumps({"recipe": what, "epochs": epochs, "seed": seed, "data": dict(data.sha256)})
    )
    return found


def _what_matters(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in _NO_MATTER}


def _train(recipe: Recipe, data: Mnist, options: Options, seed: int, strategy: Any) -> dict[str, Any]:
    """Train from the start: a resumed run has no gradients of the epochs before."""
    directory = options.directory / f"{recipe.name}-seed{seed}"
    shutil.rmtree(directory, ignore_errors=True)
    state = Run.open(directory, recipe, options.epochs, seed, data, resume=False)
    pictures = None
    if recipe.mixture is not None:
        made = pool.open_or_make(options.directory / "pools", recipe.mixture, data, seed=seed)
        pictures = made.training
    keras.utils.clear_session()
    looker = probe.Probe(recipe, data)
    more = {"strategy": strategy, "pool": pictures, "callbacks": [looker], "may_diverge": True}
    fitted = fit.fit(recipe, data, state, seed=seed, epochs=options.epochs, **more)
    shutil.rmtree(directory)
    return {
        "weights": fitted.model.count_params(),
        "history": fitted.history,
        "gradients": looker.gradients,
        "start": looker.start,
        "end": looker.end,
        "validation": len(data.validation_labels),
        "device": device.describe(strategy),
        "machine": report.machine(),
        "tools": report.tools(),
    }


def _words(record: dict[str, Any]) -> str:
    history = record["history"]
    seconds = median(entry["seconds"] for entry in history)
    return f"{history[-1]['val_accuracy']:.2%} of the validation digits, {seconds:.1f} s an epoch"
