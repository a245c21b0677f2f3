import errno
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from service.contract import FLOAT32_FILE, MODEL_NAME, Manifest
from tests.training import drawn
from tests.training.running import interrupted, options
from training import pipeline
from training.data.mnist import Mnist
from training.errors import RunError, TrainingError, VerificationError
from training.recipe import Mixture, Recipe
from training.release import report

pytestmark = pytest.mark.usefixtures("precision_policy")


def published(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "models" / MODEL_NAME).iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """One epoch with a few pictures of each kind, published however it reads."""
    mixture = Mixture(renderings=20, forms=10, outliers=10, held_out=20)
    return replace(drawn.RECIPE, epochs=1, accuracy_floor=0, mixture=mixture)


def test_a_finished_run_that_is_resumed_publishes_nothing(
    tmp_path: Path, data: Mnist, capsys: pytest.CaptureFixture[str]
) -> None:
    short = replace(drawn.RECIPE, accuracy_floor=0)
    assert pipeline.run(short, data, options(tmp_path, epochs=1)) == "1"
    for _ in range(2):
        assert pipeline.run(short, data, options(tmp_path, epochs=1, resume=True)) is None
        last = capsys.readouterr().out.splitlines()[-1]
        assert last.startswith("[publish  ] nothing is left to do")
        assert last.endswith("was published as version 1")
        shutil.rmtree(tmp_path / "models" / MODEL_NAME / "1", ignore_errors=True)  # nothing if it was deleted
        assert published(tmp_path) == []


def test_the_median_of_several_seeds_is_published(tmp_path: Path, data: Mnist, recipe: Recipe) -> None:
    with interrupted(after=1, within="seed-2"):
        pipeline.run(recipe, data, options(tmp_path, epochs=1, seeds=3))
    (pool,) = (tmp_path / "pools").iterdir()
    assert pool.name.startswith("seed1-"), "one pool serves all seeds"
    number = pipeline.run(recipe, data, options(tmp_path, epochs=1, seeds=3, resume=True))
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
        pipeline.run(recipe, data, options(tmp_path, epochs=1, seeds=2, resume=True))


def test_each_stage_reports(tmp_path: Path, data: Mnist, recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline.run(recipe, data, options(tmp_path, epochs=1))
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


def test_under_the_floor_nothing_is_published(tmp_path: Path, data: Mnist, recipe: Recipe) -> None:
    strict = replace(recipe, accuracy_floor=1.01)
    with pytest.raises(VerificationError, match="under the floor"):
        pipeline.run(strict, data, options(tmp_path, epochs=1))
    assert published(tmp_path) == []
    with pytest.raises(RunError, match="--resume"):
        pipeline.run(strict, data, options(tmp_path, epochs=1))
    checkpoint = (tmp_path / "run" / "checkpoint.npz").stat().st_mtime_ns
    with pytest.raises(VerificationError, match="under the floor"):
        pipeline.run(strict, data, options(tmp_path, epochs=1, resume=True))
    assert (tmp_path / "run" / "checkpoint.npz").stat().st_mtime_ns == checkpoint, "it is not trained again"
    assert published(tmp_path) == []


def test_resuming_publishes_after_a_failed_write(
    tmp_path: Path, data: Mnist, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(report, "write_curves", disk_full)
        with pytest.raises(OSError, match="No space left"):
            pipeline.run(recipe, data, options(tmp_path, epochs=1))
    assert published(tmp_path) == []
    assert pipeline.run(recipe, data, options(tmp_path, epochs=1, resume=True)) == "1"


AS_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere: run as another user")


@pytest.mark.parametrize("kind", ["a file", pytest.param("not writable", marks=AS_ROOT)])
@pytest.mark.parametrize("place", ["models", f"models/{MODEL_NAME}"])
def test_a_models_directory_that_cannot_be_written_is_found_before_the_training(
    tmp_path: Path, data: Mnist, recipe: Recipe, place: str, kind: str
) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    if kind == "a file":
        (tmp_path / place).touch()
    else:
        (tmp_path / place).mkdir(mode=0o555)
    with pytest.raises(TrainingError) as caught:
        pipeline.run(recipe, data, options(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "models") in str(caught.value)
    assert "--models" in str(caught.value)
    assert not (tmp_path / "run").exists()
