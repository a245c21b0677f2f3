"""The whole path of one training run, a line a stage: data, pool, fit, calibrate, export, verify, publish."""

import errno
import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from service.contract import CONTRACT_VERSION, FLOAT32_FILE, MANIFEST_FILE, FileRecord, Manifest, SelfTest
from service.errors import SelfTestError
from service.inference.engine import Engine, self_test_inputs
from training.data.mnist import Mnist
from training.errors import TrainingError
from training.fitting import device, fit, learn
from training.options import Options
from training.progress import say
from training.recipe import Recipe
from training.release import evaluate, export, publish, report, triton, verify
from training.synthesis import pool

_SELF_TEST_IMAGES = 16
# Kernels for other processors round otherwise; in int8 one step of rounding can move a probability visibly.
_FLOAT32_TOLERANCE, _INT8_TOLERANCE = 1e-4, 0.1


@dataclass(frozen=True)
class _Calibrated:
    """A trained model with what the validation split decided, and what it made of the pool's validation pictures."""

    fitted: fit.Fitted
    temperature: float
    certain_from: float
    validation: evaluate.Metrics
    pictures: dict[str, Any]


def run(recipe: Recipe, data: Mnist, options: Options) -> str:
    """Train, verify and publish `recipe`; return the number of the version.

    Raises:
        TrainingError: nothing was published; the message says why and what to do.
    """
    _check_writable(options.models / options.name)
    strategy = device.strategy(options.device, mixed_precision=options.mixed_precision)
    say(
        "data",
        f"{len(data.train_labels):,} training, {len(data.validation_labels):,} validation, "
        f"{len(data.test_labels):,} test digits",
    )
    state = learn.open_run(recipe, data, options)
    learnt = learn.learn(recipe, data, state, strategy, options)
    pictures = learnt.pictures
    calibrated = _calibrate(learnt.fitted, data, pictures)
    say("export", "to ONNX, float32 and int8")
    float32 = export.export_float32(learnt.fitted.model, calibrated.temperature, recipe)
    int8 = export.export_int8(float32, data.train_images if pictures is None else pictures.training.images)
    verification = _verify(float32, int8, recipe, calibrated, data)
    figures = _figures(calibrated, verification, options, device.describe(strategy), pictures)
    for role in ("teacher", "start"):
        first = learnt.before.get(role)
        figures[role] = None if first is None else _figures_before(first, data)
    triton.write(options.models / options.name, options.name)  # before the version that it describes
    version = publish.publish(options.models, options.name, _writer(recipe, data, options.name, figures, verification))
    state.mark_finished(f"published as version {version}")
    say("publish", str(options.models / options.name / version))
    return version


def _check_writable(versions: Path) -> None:
    """Find out before the training, not after it."""
    try:
        versions.mkdir(parents=True, exist_ok=True)
        if not os.access(versions, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise TrainingError(
            f"{versions} cannot be written ({error.strerror}): change its owner, "
            "or name another directory with --models."
        ) from error


def _calibrate(fitted: fit.Fitted, data: Mnist, pictures: pool.Pool | None) -> _Calibrated:
    logits = _logits(fitted.model, data.validation_images)
    temperature = evaluate.fit_temperature(logits, data.validation_labels)
    predicted = evaluate.probabilities(logits, temperature)
    certain_from = evaluate.certain_from(predicted)
    metrics = evaluate.evaluate(predicted, data.validation_labels, certain_from)
    say(
        "calibrate",
        f"validation: {metrics.errors} errors in {metrics.count:,}; temperature {temperature:.3f}; "
        f"certain from {certain_from:.4f}",
    )
    figures = {} if pictures is None else _judge_pictures(fitted, pictures, temperature, certain_from)
    return _Calibrated(fitted, temperature, certain_from, metrics, figures)


def _judge_pictures(fitted: fit.Fitted, pictures: pool.Pool, temperature: float, certain_from: float) -> dict[str, Any]:
    """Return the metrics of the pool's validation pictures, and the share of its outliers that pass for certain."""
    kinds = pool.VALIDATION
    predicted = {
        kind: evaluate.probabilities(_logits(fitted.model, pictures.parts[kind].images), temperature) for kind in kinds
    }
    rendered, forms = (
        evaluate.evaluate(predicted[kind], pictures.parts[kind].labels, certain_from) for kind in kinds[:2]
    )
    certain = float(np.mean(predicted[kinds[2]].max(axis=1) >= certain_from))
    for name, found in (("rendered", rendered), ("drawn forms", forms)):
        say(
            "calibrate",
            f"{name}: {found.errors} errors in {found.count:,}; calibration error "
            f"{found.expected_calibration_error:.4f}; certain {found.certain_share:.1%}",
        )
    say("calibrate", f"no digits: {certain:.1%} of {len(predicted[kinds[2]]):,} certain")
    return {"validation_rendered": asdict(rendered), "validation_forms": asdict(forms), "outliers_certain": certain}


def _verify(float32: bytes, int8: bytes, recipe: Recipe, calibrated: _Calibrated, data: Mnist) -> verify.Verification:
    expected = evaluate.probabilities(_logits(calibrated.fitted.model, data.test_images), calibrated.temperature)
    verification = verify.verify(
        float32,
        int8,
        recipe,
        keras_probabilities=expected,
        test_images=data.test_images,
        test_labels=data.test_labels,
        certain_from=calibrated.certain_from,
    )
    for name, found in verification.figures.items():
        say(
            "verify",
            f"{name}: {found.test.errors} errors in {found.test.count:,}; differs from Keras by "
            f"{found.keras_difference:.1e}; {found.microseconds:.0f} us an image",
        )
    if verification.left_out:
        say("verify", f"the int8 graph is left out: {verification.left_out}")
    for name, graph in verification.graphs.items():
        _say_refusal(name, graph)
    return verification


def _say_refusal(name: str, graph: bytes) -> None:
    try:
        Engine.open(graph, file=name).read_specimens()
    except SelfTestError as error:
        say("verify", f"a service will refuse this version: {error}")


def _logits(model: Any, images: Any) -> evaluate.Floats:
    logits: evaluate.Floats = model.predict(images.astype(np.float32), batch_size=500, verbose=0)
    return logits


def _figures(
    calibrated: _Calibrated,
    verification: verify.Verification,
    options: Options,
    trained_on: str,
    pictures: pool.Pool | None,
) -> dict[str, Any]:
    history = calibrated.fitted.history
    return {
        "weights": calibrated.fitted.model.count_params(),
        "validation": asdict(calibrated.validation),
        **calibrated.pictures,
        "pool": None if pictures is None else pictures.counts() | {"seconds": pictures.seconds},
        "verified": {name: asdict(verification.figures[name]) for name in verification.graphs},
        "int8_left_out": verification.left_out,
        "temperature": calibrated.temperature,
        "certain_from": calibrated.certain_from,
        "epochs": options.epochs,
        "seed": options.seed,
        "seconds_per_epoch": median(entry["seconds"] for entry in history),
        "waiting_share": median(entry["waiting_share"] for entry in history),
        "device": trained_on + (" (mixed precision)" if options.mixed_precision else ""),
        "machine": report.machine(),
        "history": history,
    }


def _figures_before(first: learn.Learnt, data: Mnist) -> dict[str, Any]:
    fitted, last = first.fitted, first.fitted.history[-1]
    return {
        "recipe": first.recipe.name,
        "weights": fitted.model.count_params(),
        "epochs": len(fitted.history),
        "validation_errors": round((1 - last["val_accuracy"]) * len(data.validation_labels)),
        "seconds_per_epoch": median(entry["seconds"] for entry in fitted.history),
    }


def _writer(
    recipe: Recipe,
    data: Mnist,
    name: str,
    figures: Mapping[str, Any],
    verification: verify.Verification,
) -> Any:
    """Return the function that writes the files of a version, the manifest last."""
    self_test = _self_test(verification.graphs)

    def write(directory: Path, version: str) -> None:
        for file, content in verification.graphs.items():
            (directory / file).write_bytes(content)
        report.write_curves(directory, figures["history"])
        report.write_card(
            directory,
            name=name,
            version=version,
            recipe=recipe,
            figures=figures,
            verification=verification,
        )
        Manifest(
            name=name,
            version=version,
            contract=CONTRACT_VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            files=_records(directory),
            certain_from=figures["certain_from"],
            self_test=self_test,
            recipe=recipe.to_dict(),
            metrics=figures,
            data={"name": "MNIST", "sha256": dict(data.sha256)},
            tools=report.tools(),
        ).write(directory)

    return write


def _records(directory: Path) -> dict[str, FileRecord]:
    contents = {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.name != MANIFEST_FILE}
    return {name: FileRecord(hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()}


def _self_test(graphs: Mapping[str, bytes]) -> SelfTest:
    seed = 1
    images = self_test_inputs(seed, _SELF_TEST_IMAGES)
    expected = {name: Engine.open(graph).run(images).astype(float).round(6).tolist() for name, graph in graphs.items()}
    tolerance = {name: _FLOAT32_TOLERANCE if name == FLOAT32_FILE else _INT8_TOLERANCE for name in graphs}
    return SelfTest(seed, _SELF_TEST_IMAGES, expected, tolerance)
