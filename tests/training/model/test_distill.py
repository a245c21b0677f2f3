import json
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
from training.fitting.loop import Batch
from training.fitting.run import Run
from training.model import distill, network
from training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("precision_policy")

TEACHER = replace(drawn.RECIPE, name="tiny-teacher", lesson=True, epochs=8)
STUDENT = replace(drawn.RECIPE, name="tiny-student", teacher=TEACHER.name)


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


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_is_that_of_the_mean_of_softened_probabilities(count: int, temperature: float) -> None:
    logits = [np.random.default_rng(seed).normal(0, 5, (20, 10)).astype(np.float32) for seed in range(count + 1)]
    *teachers, student = logits
    mean, taught = np.mean([softmax(each / temperature, axis=1) for each in teachers], axis=0), student / temperature
    found = np.array(distill.divergence(teachers, student, temperature))
    expected = temperature**2 * kl_div(mean, softmax(taught, axis=1)).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(distill.divergence([student + 7], student, temperature), 0, atol=1e-5)


def test_what_teachers_see_may_be_deformed(teacher: fit.Fitted) -> None:
    images = drawn.mnist().train_images[:6].astype(np.float32)
    batch = Batch(images, None, np.zeros(6, bool), 5)
    student = answers(teacher.model, images)
    batch = batch._replace(targets=targets(np.zeros(6, np.uint8)))
    moved = distill.loss([teacher.model], 1.0, lambda seen, seed: np.roll(seen, seed, axis=2))(batch, student)
    expected = distill.divergence([answers(teacher.model, np.roll(images, 5, axis=2))], student, 1.0)
    np.testing.assert_allclose(moved, expected, rtol=1e-4)
    assert np.mean(moved) > 10 * np.abs(distill.loss([teacher.model], 1.0)(batch, student)).mean()


@pytest.mark.usefixtures("known")
def test_every_seed_has_the_same_teachers_and_starts_from_its_own(
    tmp_path: Path, data: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fitted = fit.fit

    def noted(recipe: Recipe, *given: Any, **named: Any) -> fit.Fitted:
        found = fitted(recipe, *given, **named)
        seen.append((recipe.name, named, found.model.get_weights()))
        return found

    monkeypatch.setattr(fit, "fit", noted)
    recipe = replace(STUDENT, teachers=2, start=TEACHER.name, epochs=1, accuracy_floor=0)
    pipeline.run(recipe, data, options(tmp_path, epochs=1, seeds=2))
    (_, _, one), (_, _, two), *students = seen
    assert [name for name, _, _ in seen] == [TEACHER.name] * 2 + [STUDENT.name] * 2
    for (_, named, _), start in zip(students, (one, two), strict=True):
        for given, expected in zip([*named["teachers"], named["start"]], (one, two, start), strict=True):
            np.testing.assert_array_equal(given.get_weights()[0], expected[0])


def test_a_student_has_its_networks_weights_and_leaves_the_teacher_unchanged(
    tmp_path: Path, teacher: fit.Fitted
) -> None:
    before = [weight.copy() for weight in teacher.model.get_weights()]
    learnt = train(STUDENT, tmp_path, teachers=[teacher.model])
    assert [weight.shape for weight in learnt.model.get_weights()] == [
        weight.shape for weight in network.build(STUDENT).get_weights()
    ]
    for found, expected in zip(teacher.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_student_learns_the_teachers_answers_and_not_the_labels(tmp_path: Path, teacher: fit.Fitted) -> None:
    data = drawn.mnist()
    wrong = replace(data, train_labels=((data.train_labels + 1) % 10).astype(np.uint8))
    learnt = train(STUDENT, tmp_path, data=wrong, teachers=[teacher.model])
    read = answers(learnt.model, data.test_images).argmax(axis=1)
    assert np.mean(read == answers(teacher.model, data.test_images).argmax(axis=1)) > 0.75
    losses = [entry["loss"] for entry in learnt.history]
    assert losses[-1] < losses[0] / 3


def test_validation_uses_the_labels(tmp_path: Path, teacher: fit.Fitted) -> None:
    data = drawn.mnist()
    learnt = train(STUDENT, tmp_path, teachers=[teacher.model])
    expected = keras.losses.categorical_crossentropy(
        targets(data.validation_labels), answers(learnt.model, data.validation_images), from_logits=True
    )
    assert learnt.history[-1]["val_loss"] == pytest.approx(float(np.mean(expected)), rel=1e-3)


def test_a_resumed_student_continues_exactly(tmp_path: Path, teacher: fit.Fitted) -> None:
    whole = train(STUDENT, tmp_path / "whole", teachers=[teacher.model])
    with interrupted(after=2):
        train(STUDENT, tmp_path / "parts", teachers=[teacher.model])
    resumed = train(STUDENT, tmp_path / "parts", resume=True, teachers=[teacher.model])
    for found, expected in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.usefixtures("known")
def test_the_pipeline_trains_the_teacher_first(tmp_path: Path, data: Mnist) -> None:
    number = pipeline.run(replace(STUDENT, accuracy_floor=0), data, options(tmp_path))
    version = tmp_path / "models" / MODEL_NAME / number
    said = Manifest.read(version).metrics["teacher"]
    assert (said["recipe"], said["seeds"]) == (TEACHER.name, [1])
    assert len(json.loads((tmp_path / "run" / "teacher" / "history.json").read_text())) == TEACHER.epochs
    card = (version / "README.md").read_text(encoding="utf-8")
    assert (
        "the mean of what teachers answer to the same images, at the temperature 3\n  (Hinton et al. 2015): recipe "
        f"`{TEACHER.name}`, seeds 1; their mean makes {said['validation_errors']} validation errors." in card
    )


@pytest.mark.usefixtures("known")
def test_an_existing_teacher_is_not_trained_again(tmp_path: Path, data: Mnist) -> None:
    lax = replace(STUDENT, accuracy_floor=0)
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
    lax = replace(STUDENT, accuracy_floor=0)
    with interrupted(after=1):
        pipeline.run(lax, data, options(tmp_path))
    with pytest.raises(RunError, match="--resume"):
        pipeline.run(lax, data, options(tmp_path))
    assert pipeline.run(lax, data, options(tmp_path, resume=True)) == "1"


def test_own_digits_are_learnt_by_label_and_others_from_the_teacher(teacher: fit.Fitted) -> None:
    images = drawn.mnist().train_images[:6].astype(np.float32)
    wanted = targets(np.array([3, 3, 3, 4, 4, 4], np.uint8))
    student = np.random.default_rng(3).normal(0, 3, (6, 10)).astype(np.float32)
    own = np.array([False, False, True, True, False, True])
    taught = np.array(distill.divergence([answers(teacher.model, images)], student, 2.0))
    told = np.array(keras.losses.categorical_crossentropy(wanted, student, from_logits=True))
    found = distill.loss([teacher.model], 2.0)(Batch(images, wanted, own, None), student)
    np.testing.assert_allclose(found, np.where(own, told, taught), rtol=1e-5)
