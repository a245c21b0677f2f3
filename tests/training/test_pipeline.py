import errno
import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.contract import FLOAT32_FILE, INT8_FILE, MANIFEST_FILE, MODEL_NAME, Manifest
from service.inference import engine
from tests.training import drawn
from tests.training.running import interrupted, options
from training import pipeline
from training.data.mnist import Mnist
from training.errors import RunError, TrainingError, VerificationError
from training.recipe import Mixture, Recipe
from training.release import report, triton
from training.synthesis import pool

pytestmark = pytest.mark.usefixtures("precision_policy")


def published(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "models" / MODEL_NAME).iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    mixture = Mixture(share=0.5, renderings=160, forms=640, outliers=40, held_out=40)
    return replace(drawn.RECIPE, mixture=mixture)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, data: Mnist, recipe: Recipe) -> Path:
    """The directory of a version that the whole pipeline published."""
    directory = tmp_path_factory.mktemp("pipeline")
    number = pipeline.run(recipe, data, options(directory))
    return directory / "models" / MODEL_NAME / number


@pytest.fixture(scope="module")
def manifest(version: Path) -> Manifest:
    return Manifest.read(version)


def test_the_first_version_is_1_and_the_next_2(version: Path, data: Mnist, recipe: Recipe) -> None:
    directory = version.parents[2]
    assert version.name == "1"
    before = {path: path.read_bytes() for path in version.iterdir()}
    number = pipeline.run(recipe, data, options(directory))  # the run was published, so another may start in its place
    assert number == "2"
    assert published(directory) == ["1", "2"]
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
    mixture = Mixture(share=0.5, renderings=160, forms=640, outliers=40, held_out=40)
    kept = pool.open_or_make(version.parents[2] / "pools", mixture, data, seed=1)
    outliers = kept.parts["validation_outliers"].images
    served = engine.Engine.open(manifest.read_file(version, FLOAT32_FILE)).run(outliers)
    assert metrics["outliers_certain"] == np.mean(served.max(axis=1) >= manifest.certain_from)


def test_a_finished_run_that_is_resumed_publishes_nothing(
    tmp_path: Path, data: Mnist, capsys: pytest.CaptureFixture[str]
) -> None:
    short = replace(drawn.RECIPE, epochs=1, accuracy_floor=0)
    assert pipeline.run(short, data, options(tmp_path, epochs=1)) == "1"
    for _ in range(2):
        assert pipeline.run(short, data, options(tmp_path, epochs=1, resume=True)) is None
        last = capsys.readouterr().out.splitlines()[-1]
        assert last.startswith("[publish  ] nothing is left to do")
        assert last.endswith("was published as version 1")
        shutil.rmtree(tmp_path / "models" / MODEL_NAME / "1", ignore_errors=True)  # and nothing if it was deleted
        assert published(tmp_path) == []


def test_of_several_seeds_the_median_is_published_and_the_card_has_all(tmp_path: Path, data: Mnist) -> None:
    short = replace(drawn.RECIPE, epochs=1, accuracy_floor=0)
    with interrupted(after=1, within="seed-2"):
        pipeline.run(short, data, options(tmp_path, epochs=1, seeds=3))
    number = pipeline.run(short, data, options(tmp_path, epochs=1, seeds=3, resume=True))
    version = tmp_path / "models" / MODEL_NAME / str(number)
    metrics = Manifest.read(version).metrics
    seeds = metrics["seeds"]
    assert [each["seed"] for each in seeds] == [1, 2, 3]
    losses = {each["seed"]: each["validation_loss"] for each in seeds}
    assert len(set(losses.values())) == 3
    assert losses[metrics["seed"]] == sorted(losses.values())[1]
    (chosen,) = (each for each in seeds if each["seed"] == metrics["seed"])
    assert chosen["validation_errors"] == metrics["validation"]["errors"]
    assert chosen["test_errors"] == metrics["verified"][FLOAT32_FILE]["test"]["errors"]
    card = (version / "README.md").read_text(encoding="utf-8")
    for each in seeds:
        found = (
            f"seed {each['seed']}: {each['validation_loss']:.4f}, {each['validation_errors']}, {each['test_errors']}"
        )
        assert found in card
    with pytest.raises(RunError, match="another seeds"):
        pipeline.run(short, data, options(tmp_path, epochs=1, seeds=2, resume=True))


def test_each_stage_says_what_it_did(
    tmp_path: Path, data: Mnist, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.run(replace(recipe, epochs=1, accuracy_floor=0), data, options(tmp_path, epochs=1))
    said = capsys.readouterr().out
    stages = dict.fromkeys(re.findall(r"^\[(\w+) *\]", said, re.MULTILINE))
    assert list(stages) == ["data", "pool", "fit", "calibrate", "export", "verify", "publish"]
    assert re.search(r"^\[pool     \] \d+ renderings, \d+ forms, \d+ outliers; .* ready in \d+ s$", said, re.MULTILINE)
    for words in (r"rendered: \d+ errors in \d+", r"drawn forms: \d+ errors", r"no digits: [\d.]+% of \d+ certain"):
        assert re.search(words, said)


def test_a_recipe_without_a_mixture_makes_no_pool(tmp_path: Path, data: Mnist) -> None:
    number = pipeline.run(replace(drawn.RECIPE, accuracy_floor=0), data, options(tmp_path, epochs=1))
    manifest = Manifest.read(tmp_path / "models" / MODEL_NAME / number)
    assert manifest.metrics["pool"] is None
    assert "validation_rendered" not in manifest.metrics
    assert not (tmp_path / "pools").exists()
    assert "- Mixed in: nothing." in (tmp_path / "models" / MODEL_NAME / number / "README.md").read_text()


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


def test_under_the_floor_nothing_is_published(tmp_path: Path, data: Mnist, recipe: Recipe) -> None:
    strict = replace(recipe, accuracy_floor=1.01)
    with pytest.raises(VerificationError, match="under the floor"):
        pipeline.run(strict, data, options(tmp_path))
    assert published(tmp_path) == []
    with pytest.raises(RunError, match="--resume"):
        pipeline.run(strict, data, options(tmp_path))
    checkpoint = (tmp_path / "run" / "checkpoint.npz").stat().st_mtime_ns
    with pytest.raises(VerificationError, match="under the floor"):
        pipeline.run(strict, data, options(tmp_path, resume=True))
    assert (tmp_path / "run" / "checkpoint.npz").stat().st_mtime_ns == checkpoint, "it is not trained again"
    assert published(tmp_path) == []


def test_what_could_not_be_written_is_published_by_resuming(
    tmp_path: Path, data: Mnist, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_curves", disk_full)
        with pytest.raises(OSError, match="No space left"):
            pipeline.run(recipe, data, options(tmp_path))
    assert published(tmp_path) == []
    assert pipeline.run(recipe, data, options(tmp_path, resume=True)) == "1"


def check_found_before_training(directory: Path, data: Mnist, recipe: Recipe) -> None:
    with pytest.raises(TrainingError) as caught:
        pipeline.run(recipe, data, options(directory))
    assert "\n" not in str(caught.value)
    assert str(directory / "models") in str(caught.value)
    assert "--models" in str(caught.value)
    assert not (directory / "run").exists()


@pytest.mark.parametrize("place", ["models", f"models/{MODEL_NAME}"])
def test_a_models_directory_that_is_a_file_is_found_before_the_training(
    tmp_path: Path, data: Mnist, recipe: Recipe, place: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    check_found_before_training(tmp_path, data, recipe)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere: run as another user")
@pytest.mark.parametrize("place", ["models", f"models/{MODEL_NAME}"])
def test_a_models_directory_that_cannot_be_written_is_found_before_the_training(
    tmp_path: Path, data: Mnist, recipe: Recipe, place: str
) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place).chmod(0o555)
    check_found_before_training(tmp_path, data, recipe)
