"""The metrics in a version's manifest: how good it is, and how it was trained."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

import numpy as np

from training.data.mnist import Mnist
from training.fitting.learn import Learnt
from training.options import Options
from training.release import evaluate, report
from training.release.calibrate import Calibrated, logits
from training.release.verify import Verification


def figures(
    chosen: Calibrated,
    candidates: Sequence[Calibrated],
    verification: Verification,
    data: Mnist,
    options: Options,
    trained_on: str,
) -> dict[str, Any]:
    """Return the metrics of the manifest; `candidates` are all seeds, of which `chosen` is published."""
    learnt, history = chosen.learnt, chosen.learnt.fitted.history
    pictures = learnt.pictures
    return {
        "weights": learnt.fitted.model.count_params(),
        "validation": asdict(chosen.validation),
        **chosen.pictures,
        "pool": None if pictures is None else pictures.counts() | {"seconds": pictures.seconds},
        "verified": {name: asdict(verification.figures[name]) for name in verification.graphs},
        "int8_left_out": verification.left_out,
        "temperature": chosen.temperature,
        "certain_from": chosen.certain_from,
        "epochs": options.epochs,
        "seed": learnt.seed,
        "seeds": [_of_seed(each, data) for each in candidates],
        "seconds_per_epoch": median(entry["seconds"] for entry in history),
        "images_per_second": median(entry["images_per_second"] for entry in history),
        "device": trained_on + (" (mixed precision)" if options.mixed_precision else ""),
        "machine": report.machine(),
        "history": history,
        "teacher": _of_teachers(learnt.teachers, data),
        "start": _of_start(learnt.start, data),
    }


def _of_seed(candidate: Calibrated, data: Mnist) -> dict[str, Any]:
    """Return the metrics of one seed. Test errors are counted after the choice and did not influence it."""
    read = candidate.probabilities(data.test_images).argmax(axis=1)
    return {
        "seed": candidate.learnt.seed,
        "validation_errors": candidate.validation.errors,
        "validation_loss": candidate.validation.negative_log_likelihood,
        "test_errors": int(np.sum(read != data.test_labels)),
    }


def _of_teachers(teachers: Sequence[Learnt], data: Mnist) -> dict[str, Any] | None:
    """Return the metrics of the teachers; a published version has its own in its manifest."""
    if not teachers or not teachers[0].fitted.history:
        return None
    return {
        "recipe": teachers[0].recipe.name,
        "seeds": [each.seed for each in teachers],
        "validation_errors": _errors_of_mean(teachers, data),
    }


def _of_start(start: Learnt | None, data: Mnist) -> dict[str, Any] | None:
    """Return the metrics of the starting point; a published version has its own in its manifest."""
    if start is None or not start.fitted.history:
        return None
    history = start.fitted.history
    return {
        "recipe": start.recipe.name,
        "epochs": len(history),
        "validation_errors": _errors_of_mean([start], data),
        "seconds_per_epoch": median(entry["seconds"] for entry in history),
    }


def _errors_of_mean(every: Sequence[Learnt], data: Mnist) -> int:
    """Return the validation errors of the mean of some models' probabilities."""
    answers = [evaluate.probabilities(logits(each.fitted.model, data.validation_images), 1.0) for each in every]
    return int(np.sum(np.mean(answers, axis=0).argmax(axis=1) != data.validation_labels))
