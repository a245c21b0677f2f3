"""A recipe that starts from the weights of another."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract import MODEL_NAME, Manifest
from tests.training import drawn
from tests.training.running import interrupted, options
from training import pipeline, recipes
from training.data.mnist import Mnist
from training.errors import TrainingError
from training.fitting import device, fit
from training.fitting.run import Run
from training.lessons import compare
from training.recipe import Mixture
from training.release import export
from training.synthesis import pool

pytestmark = pytest.mark.usefixtures("precision_policy")

AFTER = replace(drawn.RECIPE, name="tiny-after", start=drawn.RECIPE.name, epochs=1, learning_rate=1e-5)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the first recipe into the table."""
    monkeypatch.setitem(recipes.RECIPES, drawn.RECIPE.name, drawn.RECIPE)  # type: ignore[arg-type]


def test_training_starts_from_the_given_weights(tmp_path: Path, data: Mnist, trained: fit.Fitted) -> None:
    run = Run.open(tmp_path, AFTER, 1, 1, data, resume=False)
    learnt = fit.fit(AFTER, data, run, seed=1, epochs=1, strategy=device.strategy("cpu"), start=trained.model)
    moved = [
        float(np.abs(found - before).max())
        for found, before in zip(learnt.model.get_weights(), trained.model.get_weights(), strict=True)
    ]
    assert 0 < max(moved) < 1e-3


def test_published_weights_are_the_mean_of_before_and_after(tmp_path: Path, data: Mnist, trained: fit.Fitted) -> None:
    def learnt(share: float) -> list[Any]:
        recipe = replace(AFTER, learning_rate=1e-2, start_share=share)
        run = Run.open(tmp_path / str(share), recipe, 1, 1, data, resume=False)
        model = fit.fit(recipe, data, run, seed=1, epochs=1, strategy=device.strategy("cpu"), start=trained.model).model
        weights: list[Any] = model.get_weights()
        return weights

    for before, mean, after in zip(trained.model.get_weights(), learnt(0.25), learnt(0), strict=True):
        assert not np.allclose(before, after)
        np.testing.assert_allclose(mean, 0.25 * before + 0.75 * after, atol=1e-6)


@pytest.mark.usefixtures("trained")
def test_branches_learn_apart_and_become_one(
    tmp_path: Path, data: Mnist, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Any]] = []
    mean = fit.mean

    def see(branches: list[fit.Fitted]) -> fit.Fitted:
        if len(branches) == 1:  # of what comes first
            return mean(branches)
        seen.extend(branch.model.get_weights() for branch in branches)
        seen.append(mean(branches).model.get_weights())
        return branches[0]

    monkeypatch.setattr(fit, "mean", see)
    recipe = replace(AFTER, learning_rate=1e-2, start_share=0.5, branches=2)
    number = pipeline.run(recipe, data, options(tmp_path, epochs=1, start=run.directory))
    for first, second, found in zip(*seen, strict=True):
        assert not np.allclose(first, second)
        np.testing.assert_allclose(found, (first + second) / 2, atol=1e-6)
    card = (tmp_path / "models" / MODEL_NAME / number / "README.md").read_text(encoding="utf-8")
    assert "2 times from there" in card
    assert not (tmp_path / "run" / "start").exists(), "what came first is not trained again"
    assert "finished" in json.loads((tmp_path / "run" / "branch-1" / "run.json").read_text(encoding="utf-8"))


def test_the_pipeline_trains_and_reports(tmp_path: Path, data: Mnist) -> None:
    number = pipeline.run(AFTER, data, options(tmp_path, epochs=AFTER.epochs))
    version = tmp_path / "models" / MODEL_NAME / number
    said = Manifest.read(version).metrics["start"]
    assert (said["recipe"], said["epochs"]) == (drawn.RECIPE.name, drawn.RECIPE.epochs)
    card = (version / "README.md").read_text(encoding="utf-8")
    assert f"- the weights of recipe `{drawn.RECIPE.name}`, Adam to 1e-05" in card
    assert f"- Recipe `{drawn.RECIPE.name}` came first: {drawn.RECIPE.epochs} epochs" in card


def test_pictures_begin_with_those_learnt_before_and_calibrate_int8(
    tmp_path: Path, data: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixture = Mixture(renderings=20, forms=10, outliers=10, held_out=20)
    first = replace(drawn.RECIPE, epochs=1, mixture=mixture)
    monkeypatch.setitem(recipes.RECIPES, first.name, first)  # type: ignore[arg-type]
    after = replace(AFTER, mixture=replace(mixture, forms=15))
    calibrated_on: list[Any] = []
    export_int8 = export.export_int8

    def see(graph: bytes, images: Any) -> bytes:
        calibrated_on.append(images)
        return export_int8(graph, images)

    monkeypatch.setattr(export, "export_int8", see)
    pipeline.run(after, data, options(tmp_path, epochs=1))
    before, found = (pool.open_or_make(tmp_path / "pools", mix, data, seed=1) for mix in (mixture, after.mixture))
    count = len(before.parts["forms"].labels)
    assert 0 < count < len(found.parts["forms"].labels)
    np.testing.assert_array_equal(found.parts["forms"].images[:count], before.parts["forms"].images)
    np.testing.assert_array_equal(found.parts["renderings"].images, before.parts["renderings"].images)
    np.testing.assert_array_equal(calibrated_on[0], found.training.images)


@pytest.mark.usefixtures("trained")
def test_a_branch_resumes_where_it_was_interrupted(tmp_path: Path, data: Mnist, run: Run) -> None:
    recipe = replace(AFTER, epochs=2, branches=2)
    main, branch = (Run(tmp_path / "run" / name, {}) for name in (".", "branch-1"))
    with interrupted(after=1, within="branch-1"):
        pipeline.run(recipe, data, options(tmp_path, epochs=2, start=run.directory))
    first, second = main.read_history(), branch.read_history()
    assert (len(first), len(second)) == (2, 1)
    assert pipeline.run(recipe, data, options(tmp_path, epochs=2, resume=True, start=run.directory)) == "1"
    after = branch.read_history()
    assert main.read_history() == first
    assert (len(after), after[0]) == (2, second[0])


def test_a_comparison_does_not_train_prerequisites(tmp_path: Path, data: Mnist) -> None:
    given = compare.Options(epochs=1, seeds=1, device="cpu", directory=tmp_path, report=tmp_path / "report")
    with pytest.raises(TrainingError, match="tiny-after needs tiny first"):
        compare.run([AFTER], data, given)
