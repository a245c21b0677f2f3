"""A version published by a small real training; part of `make test` if TensorFlow is installed."""

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from service.contract import FLOAT32_FILE, INT8_FILE, MANIFEST_FILE, MODEL_NAME, Manifest
from service.inference import engine
from tests.training import drawn
from tests.training.running import options
from training.data.mnist import Mnist
from training.recipe import Recipe
from training.release import report, triton
from training.synthesis import pool

pytestmark = pytest.mark.usefixtures("precision_policy")


@pytest.fixture(scope="module")
def pipeline() -> ModuleType:
    pytest.importorskip("tensorflow", reason="a training needs TensorFlow: `make .venv/dev`")
    return import_module("training.pipeline")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return drawn.MIXED


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, data: Mnist, recipe: Recipe, pipeline: ModuleType) -> Path:
    """The directory of a version published by the whole pipeline."""
    directory = tmp_path_factory.mktemp("pipeline")
    number = pipeline.run(recipe, data, options(directory))
    return directory / "models" / MODEL_NAME / number


@pytest.fixture(scope="module")
def manifest(version: Path) -> Manifest:
    return Manifest.read(version)


def test_the_first_version_is_1_and_the_next_2(
    version: Path, data: Mnist, recipe: Recipe, pipeline: ModuleType
) -> None:
    directory = version.parents[2]
    assert version.name == "1"
    before = {path: path.read_bytes() for path in version.iterdir()}
    number = pipeline.run(recipe, data, options(directory))  # a published run may be replaced
    assert number == "2"
    assert sorted(path.name for path in version.parent.iterdir() if path.is_dir()) == ["1", "2"]
    assert (version.parent / "config.pbtxt").read_text() == triton.config(MODEL_NAME)
    assert {path: path.read_bytes() for path in version.iterdir()} == before
    first, second = Manifest.read(version), Manifest.read(version.parent / "2")
    np.testing.assert_allclose(*(found.self_test.expected[FLOAT32_FILE] for found in (first, second)), atol=1e-5)


def test_the_manifest_records_every_file(version: Path, manifest: Manifest) -> None:
    files = {path.name: path.read_bytes() for path in version.iterdir() if path.name != MANIFEST_FILE}
    assert set(manifest.files) == set(files) >= {FLOAT32_FILE, "README.md", report.CURVES_FILE}
    for name, content in files.items():
        assert manifest.files[name].sha256 == hashlib.sha256(content).hexdigest()
        assert manifest.files[name].bytes == len(content)


def test_the_manifest_says_what_made_the_model(manifest: Manifest, data: Mnist, recipe: Recipe) -> None:
    assert (manifest.name, manifest.version) == (MODEL_NAME, "1")
    assert manifest.recipe == json.loads(json.dumps(recipe.to_dict()))
    assert manifest.data["sha256"] == data.sha256
    assert manifest.tools == report.tools()
    assert manifest.metrics["seed"] == 1
    assert manifest.metrics["weights"] == 784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10
    assert [entry["epoch"] for entry in manifest.metrics["history"]] == [1, 2, 3, 4]


def test_the_service_opens_the_version(version: Path, manifest: Manifest, data: Mnist) -> None:
    served = engine.open_version(version, manifest, provider="cpu")  # runs the self-test
    answers = served.run(data.test_images).argmax(axis=1)
    verified = manifest.metrics["verified"][served.file]["test"]
    assert np.sum(answers != data.test_labels) == verified["errors"]
    assert verified["errors"] < 0.3 * len(data.test_labels)


def test_each_graph_passes_its_self_test(version: Path, manifest: Manifest) -> None:
    for file in {FLOAT32_FILE, INT8_FILE} & set(manifest.files):
        engine.Engine.open(manifest.read_file(version, file), file=file).self_test(manifest)
        expected = np.array(manifest.self_test.expected[file])
        assert len(set(expected.argmax(axis=1))) > 1, "answers that are all the same prove little"


def test_validation_decided_the_threshold_of_certainty(manifest: Manifest) -> None:
    assert manifest.metrics["validation"]["certain_share"] == pytest.approx(0.99, abs=0.005)
    assert manifest.certain_from == manifest.metrics["certain_from"]


def test_the_manifest_says_what_was_mixed_in_and_how_pictures_are_read(
    version: Path, manifest: Manifest, data: Mnist
) -> None:
    metrics = manifest.metrics
    asked = {"renderings": 160, "forms": 640, "outliers": 40}
    for kind, count in asked.items():
        assert sum(metrics["pool"][kind].values()) == count
    assert metrics["pool"]["seconds"] > 0
    rendered = metrics["validation_rendered"]
    assert rendered["count"] == metrics["pool"]["validation_renderings"]["count"] > 150
    assert 0 < rendered["errors"] < 0.7 * rendered["count"]
    assert 0 < rendered["expected_calibration_error"] < 1
    assert metrics["validation_forms"]["count"] == metrics["pool"]["validation_forms"]["count"]
    kept = pool.open_or_make(version.parents[2] / "pools", drawn.MIXED.mixture, data, seed=1)
    outliers = kept.parts["validation_outliers"].images
    served = engine.Engine.open(manifest.read_file(version, FLOAT32_FILE)).run(outliers)
    assert metrics["outliers_certain"] == np.mean(served.max(axis=1) >= manifest.certain_from)


def test_the_card_names_the_figures(version: Path, manifest: Manifest) -> None:
    card = (version / "README.md").read_text(encoding="utf-8")
    metrics, test = manifest.metrics, manifest.metrics["verified"][FLOAT32_FILE]["test"]
    for words in (
        f"# {MODEL_NAME}, version 1",
        "784-64-32-10",
        f"{metrics['weights']:,} weights",
        f"| `{FLOAT32_FILE}` | {test['errors']} in 300 | {test['error_percent']:.2f}% |",
        f"{metrics['validation']['errors']} errors in 300",
        f"{metrics['temperature']:.3f}",
        f"{metrics['certain_from']:.4f}",
        "4 epochs, seed 1",
        "shift to 0.5 pixels",
        f"rendered as pictures: {metrics['validation_rendered']['errors']} errors",
        f"- Mixed in: 50% of each batch are pictures in the service's canonical form, made before training: "
        f"{metrics['pool']['renderings']['count']} training digits",
        metrics["machine"],
        f"![Loss and error by epoch]({report.CURVES_FILE})",
    ):
        assert words in card
    rows = re.findall(r"^\| \*\*(\d)\*\* \|(.*)\|$", card, re.MULTILINE)
    confusion = [[int(cell.strip().replace(".", "0")) for cell in cells.split("|")] for _, cells in rows]
    assert confusion == test["confusion"]
    assert (INT8_FILE in manifest.files) == ("The int8 graph is left out" not in card)
