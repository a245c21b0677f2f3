"""A lesson publishes a version that the service's engine opens, with a card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.contract import FLOAT32_FILE, Manifest
from service.inference.engine import Engine
from service.inference.store import ModelStore
from service.settings import Settings
from tests.training import drawn
from tests.training.running import options
from training import pipeline, recipes
from training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("precision_policy")

SMALL = {"hidden": (64, 32), "batch_size": 50}


def publish(directory: Path, recipe: Recipe, epochs: int) -> Path:
    """Train, verify and publish `recipe` on drawn digits; return the directory of the models."""
    pipeline.run(recipe, drawn.mnist(), options(directory, epochs=epochs))
    return directory / "models"


@pytest.mark.parametrize(
    ("name", "epochs", "floor", "said"),
    [
        ("dmlp-tanh-glorot", 4, 0.7, "its ten outputs of tanh are no probabilities"),
        ("relu-sgd-relu-output", 2, 0.05, "its ten outputs of relu are no probabilities"),
        ("dmlp-ensemble", 4, 0.7, "The mean of the probabilities of 3 plain multi-layer perceptrons, 784-64-32-10"),
        ("dmlp-zeros", 1, 0.05, "It is a lesson"),
    ],
)
def test_a_lesson_is_verified_and_can_be_run(tmp_path: Path, name: str, epochs: int, floor: float, said: str) -> None:
    data = drawn.mnist()
    models = publish(tmp_path, replace(recipes.find(name), **SMALL, accuracy_floor=floor), epochs)
    version = models / name / "1"
    assert said in (version / "README.md").read_text(encoding="utf-8")

    manifest = Manifest.read(version)
    engine = Engine.open(manifest.read_file(version, FLOAT32_FILE))  # too few digits to learn from
    engine.self_test(manifest)
    probabilities = engine.run(data.test_images)
    assert probabilities.shape == (300, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.min() >= 0
    verified = manifest.metrics["verified"]
    errors = int(np.sum(probabilities.argmax(axis=1) != data.test_labels))
    assert errors in {figures["test"]["errors"] for figures in verified.values()}
    assert verified[FLOAT32_FILE]["test"]["errors"] <= (1 - floor) * 300


def test_a_service_rejects_an_untrained_lesson(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = publish(tmp_path, replace(recipes.find("dmlp-zeros"), **SMALL, accuracy_floor=0), 1)
    store = ModelStore(Settings(models_dir=models, model_name="dmlp-zeros", provider="cpu"))
    store.refresh()
    assert store.serving is None
    assert "it is not a trained model of digits" in str(store.reason)
    assert f"a service will refuse this version: {FLOAT32_FILE}: it reads" in capsys.readouterr().out
