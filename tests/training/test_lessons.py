"""What a lesson leads to: a version that the service's own store opens and serves, with its card."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.app import create_app, model_store
from service.contract import FLOAT32_FILE, INPUT_NAME, MODEL_NAME, OUTPUT_NAME, Manifest
from service.settings import Settings
from tests.training import drawn
from training import pipeline, recipes
from training.errors import VerificationError
from training.recipes import Recipe

pytestmark = pytest.mark.usefixtures("precision_policy")

SMALL = {"hidden": (64, 32), "batch_size": 50}


def publish(directory: Path, recipe: Recipe, epochs: int) -> Path:
    """Train, verify and publish `recipe` on drawn digits; return the directory of the models."""
    options = pipeline.Options(
        name=recipe.model_name,
        epochs=epochs,
        seed=1,
        device="cpu",
        mixed_precision=False,
        models=directory / "models",
        run_dir=directory / "run",
        resume=False,
    )
    pipeline.run(recipe, drawn.mnist(), options)
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
def test_a_lesson_is_verified_and_served(tmp_path: Path, name: str, epochs: int, floor: float, said: str) -> None:
    data = drawn.mnist()
    models = publish(tmp_path, replace(recipes.find(name), **SMALL, accuracy_floor=floor), epochs)
    version = models / name / "1"
    assert said in (version / "README.md").read_text(encoding="utf-8")

    settings = Settings(models_dir=models, model_name=name, provider="cpu", max_batch=300)
    store = model_store(settings)
    store.refresh()  # the hashes, the contract and the self-test hold
    assert store.serving is not None, store.reason
    client = create_app(settings).test_client()
    tensor = {
        "name": INPUT_NAME,
        "datatype": "UINT8",
        "shape": [300, 28, 28],
        "data": data.test_images.ravel().tolist(),
    }
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    (found,) = [output for output in answer.json["outputs"] if output["name"] == OUTPUT_NAME]
    probabilities = np.array(found["data"]).reshape(300, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.min() >= 0
    verified = Manifest.read(version).metrics["verified"]
    errors = int(np.sum(probabilities.argmax(axis=1) != data.test_labels))
    assert errors in {figures["test"]["errors"] for figures in verified.values()}
    assert verified[FLOAT32_FILE]["test"]["errors"] <= (1 - floor) * 300


def test_a_service_takes_no_lesson_unasked(tmp_path: Path) -> None:
    models = publish(tmp_path, replace(recipes.find("dmlp-relu"), **SMALL, accuracy_floor=0), 1)
    store = model_store(Settings(models_dir=models, model_name=MODEL_NAME, provider="cpu"))
    store.refresh()
    assert store.serving is None


def test_a_lesson_obeys_its_own_floor(tmp_path: Path) -> None:
    zeros = replace(recipes.find("dmlp-zeros"), **SMALL, accuracy_floor=0.5)
    with pytest.raises(VerificationError, match=r"under the floor of 50\.00% of recipe dmlp-zeros"):
        publish(tmp_path, zeros, 1)
