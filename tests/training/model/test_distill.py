from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import kl_div, softmax

from service.contract import MODEL_NAME, Manifest
from tests.training import drawn
from tests.training.running import interrupted, options
from training import pipeline, recipes
from training.data.mnist import Mnist
from training.data.targets import targets
from training.errors import RunError
from training.fitting import device, fit
from training.fitting.run import Run
from training.model import distill, network
from training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("precision_policy")

TEACHER = replace(drawn.RECIPE, name="tiny-teacher", convolutions=(8, 8), hidden=(32,), lesson=True, epochs=8)
PUPIL = replace(drawn.RECIPE, name="tiny-pupil", teacher=TEACHER.name)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> fit.Fitted:
    return train(TEACHER, tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the teacher into the table of recipes."""
    monkeypatch.setitem(recipes.RECIPES, TEACHER.name, TEACHER)  # type: ignore[arg-type]


def train(
    recipe: Recipe, directory: Path, *, resume: bool = False, data: Mnist | None = None, **more: Any
) -> fit.Fitted:
    data = data or drawn.mnist()
    run = Run.open(directory, recipe, recipe.epochs, 1, data, resume=resume)
    return fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, strategy=device.strategy("cpu"), **more)


def answers(model: Any, images: Any) -> Any:
    return model.predict(images.astype(np.float32), verbose=0)


def test_the_divergence_is_that_of_the_softened_probabilities() -> None:
    teacher, pupil = (np.random.default_rng(seed).normal(0, 5, (20, 10)).astype(np.float32) for seed in (1, 2))
    for temperature in (1.0, 3.0):
        expected = kl_div(*(softmax(logits / temperature, axis=1) for logits in (teacher, pupil))).sum(axis=1)
        found = np.array(distill.divergence(teacher, pupil, temperature))
        np.testing.assert_allclose(found, temperature**2 * expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(distill.divergence(pupil + 7, pupil, 3.0), 0, atol=1e-5)


def test_a_student_has_its_networks_weights_and_leaves_the_teacher_unchanged(
    tmp_path: Path, teacher: fit.Fitted
) -> None:
    before = [weight.copy() for weight in teacher.model.get_weights()]
    learnt = train(PUPIL, tmp_path, teacher=teacher.model)
    assert [weight.shape for weight in learnt.model.get_weights()] == [
        weight.shape for weight in network.build(PUPIL).get_weights()
    ]
    for found, expected in zip(teacher.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_student_learns_the_teachers_answers_and_not_the_labels(tmp_path: Path, teacher: fit.Fitted) -> None:
    data = drawn.mnist()
    wrong = replace(data, train_labels=((data.train_labels + 1) % 10).astype(np.uint8))
    learnt = train(PUPIL, tmp_path, data=wrong, teacher=teacher.model)
    read = answers(learnt.model, data.test_images).argmax(axis=1)
    assert np.mean(read == answers(teacher.model, data.test_images).argmax(axis=1)) > 0.75
    losses = [entry["loss"] for entry in learnt.history]
    assert losses[-1] < losses[0] / 3


def test_validation_uses_the_labels(tmp_path: Path, teacher: fit.Fitted) -> None:
    data = drawn.mnist()
    learnt = train(PUPIL, tmp_path, teacher=teacher.model)
    expected = keras.losses.categorical_crossentropy(
        targets(data.validation_labels), answers(learnt.model, data.validation_images), from_logits=True
    )
    assert learnt.history[-1]["val_loss"] == pytest.approx(float(np.mean(expected)), rel=1e-3)


def test_a_resumed_student_continues_exactly(tmp_path: Path, teacher: fit.Fitted) -> None:
    whole = train(PUPIL, tmp_path / "whole", teacher=teacher.model)
    with interrupted(after=2):
        train(PUPIL, tmp_path / "parts", teacher=teacher.model)
    resumed = train(PUPIL, tmp_path / "parts", resume=True, teacher=teacher.model)
    for found, expected in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.usefixtures("known")
def test_the_pipeline_trains_the_teacher_first(tmp_path: Path, data: Mnist) -> None:
    number = pipeline.run(replace(PUPIL, accuracy_floor=0), data, options(tmp_path))
    version = tmp_path / "models" / MODEL_NAME / number
    said = Manifest.read(version).metrics["teacher"]
    assert (said["recipe"], said["epochs"]) == (TEACHER.name, PUPIL.epochs), "no more epochs than the pupil's"
    assert said["weights"] == network.build(TEACHER).count_params()
    card = (version / "README.md").read_text(encoding="utf-8")
    assert (
        f"a teacher answers to the same images, at the temperature 3\n  (Hinton et al. 2015): recipe `{TEACHER.name}`"
        in card
    )


@pytest.mark.usefixtures("known")
def test_an_existing_teacher_is_not_trained_again(tmp_path: Path, data: Mnist) -> None:
    lax = replace(PUPIL, accuracy_floor=0)
    pipeline.run(lax, data, options(tmp_path, epochs=1))  # a short run trains its teacher as briefly
    with pytest.raises(RunError, match="another epochs"):
        pipeline.run(lax, data, options(tmp_path, run_dir=tmp_path / "next", teacher=tmp_path / "run" / "teacher"))
    train(TEACHER, tmp_path / "teacher")
    checkpoint = tmp_path / "teacher" / "checkpoint.npz"
    before = checkpoint.stat().st_mtime_ns
    pipeline.run(lax, data, options(tmp_path, run_dir=tmp_path / "last", teacher=tmp_path / "teacher"))
    assert checkpoint.stat().st_mtime_ns == before
    assert not (tmp_path / "last" / "teacher").exists()


@pytest.mark.usefixtures("known")
def test_a_run_interrupted_during_its_teachers_training_resumes(tmp_path: Path, data: Mnist) -> None:
    lax = replace(PUPIL, accuracy_floor=0)
    with interrupted(after=1):
        pipeline.run(lax, data, options(tmp_path))
    with pytest.raises(RunError, match="--resume"):
        pipeline.run(lax, data, options(tmp_path))
    assert pipeline.run(lax, data, options(tmp_path, resume=True)) == "1"


def test_own_digits_are_learnt_by_label_and_others_from_the_teacher(teacher: fit.Fitted) -> None:
    images = drawn.mnist().train_images[:6].astype(np.float32)
    wanted = targets(np.array([3, 3, 3, 4, 4, 4], np.uint8))
    pupil = np.random.default_rng(3).normal(0, 3, (6, 10)).astype(np.float32)
    own = np.array([False, False, True, True, False, True])
    taught = np.array(distill.divergence(answers(teacher.model, images), pupil, 2.0))
    told = np.array(keras.losses.categorical_crossentropy(wanted, pupil, from_logits=True))
    found = distill.loss(teacher.model, 2.0)(images, wanted, pupil, own)
    assert float(found) == pytest.approx(np.where(own, told, taught).mean(), rel=1e-5)
