import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training import drawn, running
from training.data.mnist import Mnist
from training.errors import RunError
from training.fitting import device, fit
from training.fitting.run import Run
from training.model import network
from training.recipe import Mixture, Recipe
from training.release import evaluate
from training.synthesis import pool
from training.synthesis.pictures import Part

pytestmark = pytest.mark.usefixtures("precision_policy")

# After the epoch's history is written and before its checkpoint: the hardest moment to resume from.
_KILLED_IN_EPOCH_TWO = """
import os, signal, sys
from pathlib import Path

from tests.training import drawn
from training.fitting import device, fit
from training.fitting import run as runs

data, recipe, replace = drawn.mnist(), drawn.RECIPE, runs.replace_file
run = runs.Run.open(Path(sys.argv[1]), recipe, recipe.epochs, 1, data, resume=False)

def replace_or_die(path, write):
    if path == run.weights and len(run.read_history()) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, write)

runs.replace_file = replace_or_die
fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, strategy=device.strategy("cpu"))
"""


def start(directory: Path, *, resume: bool = False, recipe: Recipe = drawn.RECIPE, **options: Any) -> Run:
    given = {"epochs": recipe.epochs, "seed": 1, "data": drawn.mnist()} | options
    return Run.open(directory, recipe, **given, resume=resume)


def train(
    run: Run,
    recipe: Recipe = drawn.RECIPE,
    *,
    mixed: bool = False,
    epochs: int | None = None,
    pool: Part | None = None,
    xla: bool | None = None,
) -> fit.Fitted:
    strategy = device.strategy("cpu", mixed_precision=mixed)
    return fit.fit(
        recipe, drawn.mnist(), run, seed=1, epochs=epochs or recipe.epochs, strategy=strategy, pool=pool, xla=xla
    )


def check_same_weights(found: fit.Fitted, expected: fit.Fitted, atol: float = 1e-6) -> None:
    for found_weight, expected_weight in zip(found.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_allclose(found_weight, expected_weight, atol=atol)


def accuracy(model: Any, data: Mnist) -> float:
    answers = model.predict(data.test_images.astype(np.float32), verbose=0).argmax(axis=1)
    return float(np.mean(answers == data.test_labels))


def interrupt(run: Run, **options: Any) -> None:
    """Train `run` and press Ctrl-C after its second epoch."""
    with running.interrupted(after=2):
        train(run, **options)


@pytest.fixture
def interrupted(tmp_path: Path) -> Run:
    run = start(tmp_path)
    interrupt(run)
    return run


def test_fit_learns(trained: fit.Fitted, data: Mnist) -> None:
    assert accuracy(trained.model, data) > 0.85


def test_history_has_the_figures_of_each_epoch(trained: fit.Fitted, run: Run) -> None:
    assert [entry["epoch"] for entry in trained.history] == [1, 2, 3, 4]
    assert run.read_history() == trained.history
    for entry in trained.history:
        assert entry["images_per_second"] == pytest.approx(1_500 / entry["seconds"])
        assert 0 <= entry["val_accuracy"] <= 1
    assert trained.history[-1]["val_loss"] < trained.history[0]["val_loss"]
    (log,) = (run.directory / "tensorboard").rglob("events.*")
    assert log.stat().st_size > 1_000


def test_interrupted_and_resumed_gives_the_same_weights(interrupted: Run, trained: fit.Fitted) -> None:
    resumed = train(start(interrupted.directory, resume=True))
    check_same_weights(resumed, trained)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3, 4]
    assert [entry["loss"] for entry in resumed.history] == pytest.approx([entry["loss"] for entry in trained.history])


def test_a_mixture_resumes_to_the_same_weights_and_teaches_doubt(tmp_path: Path, data: Mnist, recipe: Recipe) -> None:
    mixture = Mixture(share=0.4, renderings=100, forms=50, outliers=250, held_out=100)
    mixed = replace(recipe, mixture=mixture)
    runs = [start(tmp_path / name, recipe=mixed) for name in ("whole", "parts")]
    made = pool.open_or_make(tmp_path / "pools", mixture, data, seed=1)
    whole = train(runs[0], mixed, pool=made.training)
    interrupt(runs[1], recipe=mixed, pool=made.training)
    again = start(tmp_path / "parts", recipe=mixed, resume=True)
    kept = pool.open_or_make(tmp_path / "pools", mixture, data, seed=1)
    check_same_weights(train(again, mixed, pool=kept.training), whole)
    assert [entry["images_per_second"] > 0 for entry in whole.history] == [True] * mixed.epochs
    logits = whole.model.predict(kept.parts["validation_outliers"].images.astype(np.float32), verbose=0)
    digits = whole.model.predict(data.validation_images.astype(np.float32), verbose=0)
    doubt, sure = (np.median(evaluate.probabilities(found, 1.0).max(axis=1)) for found in (logits, digits))
    assert doubt < 0.6 < sure


def test_killed_and_resumed_gives_the_same_weights(tmp_path: Path, trained: fit.Fitted) -> None:
    command = [sys.executable, "-c", _KILLED_IN_EPOCH_TWO, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    run = start(tmp_path, resume=True)
    assert len(run.read_history()) == 2, "one epoch more than the checkpoint"
    resumed = train(run)
    check_same_weights(resumed, trained)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3, 4]
    assert run.read_history() == resumed.history


def test_a_finished_run_resumes_without_training(run: Run, trained: fit.Fitted) -> None:
    before = run.weights.stat().st_mtime_ns
    again = train(start(run.directory, resume=True))
    check_same_weights(again, trained)
    assert again.history == trained.history
    assert run.weights.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"recipe": replace(drawn.RECIPE, learning_rate=1.0)}, "recipe"),
        ({"seed": 2}, "seed"),
        ({"epochs": 9}, "epochs"),
        ({"mixed_precision": True}, "mixed precision"),
        ({"data": replace(drawn.mnist(), sha256={"train-images": "0"})}, "data"),
        ({"seed": 2, "epochs": 9}, "epochs and seed"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_resume_rejects_another_run(run: Run, options: Any, named: str) -> None:
    with pytest.raises(RunError, match=f"another {named}: "):
        start(run.directory, resume=True, **options)


def test_resume_rejects_a_directory_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run to resume"):
        start(tmp_path, resume=True)


def test_a_published_run_is_replaced(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.weights.write_bytes(b"")
    run.mark_finished("published as version 1")
    run.mark_finished("trained for another recipe")
    assert run.finished == "published as version 1"
    assert not start(tmp_path).weights.exists()


def test_a_run_without_a_finished_epoch_is_replaced(tmp_path: Path) -> None:
    start(tmp_path)
    start(tmp_path, seed=2)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe"])
@pytest.mark.parametrize("resume", [True, False])
def test_a_damaged_run_record_is_reported(tmp_path: Path, content: bytes, resume: bool) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError) as caught:
        start(tmp_path, resume=resume)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "run.json") in str(caught.value)
    assert "delete the run directory" in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full, which is always full")
def test_a_full_disk_leaves_the_last_checkpoint(interrupted: Run) -> None:
    before = interrupted.weights.read_bytes()
    (interrupted.directory / f"new-{interrupted.weights.name}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        train(start(interrupted.directory, resume=True))
    assert interrupted.weights.read_bytes() == before
    assert [entry["epoch"] for entry in train(start(interrupted.directory, resume=True)).history] == [1, 2, 3, 4]


@pytest.mark.parametrize("kept", [0, 7, 0.99])  # share, or number of bytes
def test_a_damaged_checkpoint_is_reported(interrupted: Run, kept: float) -> None:
    content = interrupted.weights.read_bytes()
    interrupted.weights.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    with pytest.raises(RunError) as caught:
        train(start(interrupted.directory, resume=True))
    assert "\n" not in str(caught.value)
    assert str(interrupted.weights) in str(caught.value)
    assert "delete the run directory" in str(caught.value)


def test_a_history_without_the_checkpoints_epochs_is_reported(interrupted: Run) -> None:
    (interrupted.directory / "history.json").unlink()
    with pytest.raises(RunError, match=r"history\.json lacks epochs of the checkpoint: delete the run directory"):
        train(start(interrupted.directory, resume=True))


@pytest.mark.parametrize("batch_size", [33, 20])  # 45 and 75 steps, not multiples of 32
def test_an_epoch_has_as_many_steps_as_it_should(tmp_path: Path, batch_size: int) -> None:
    recipe = replace(drawn.RECIPE, batch_size=batch_size, hidden=(8,), deformation=None)
    run = start(tmp_path, recipe=recipe, epochs=2)
    train(run, recipe, epochs=2)
    with np.load(run.weights) as checkpoint:
        first_of_the_optimizer = "4"  # after two kernels and two biases: the optimizer's step count
        assert checkpoint[first_of_the_optimizer] == 2 * (1_500 // batch_size)


RESUMED: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "XLA": (drawn.RECIPE, {"xla": True}),
    "dropout": (replace(drawn.RECIPE, dropout=0.4, deformation=None), {}),
    "ensemble": (replace(drawn.RECIPE, members=2), {}),
    "mixed precision": (drawn.RECIPE, {"mixed": True}),
}


@pytest.mark.parametrize("kind", RESUMED)
def test_every_kind_of_training_learns_and_resumes_exactly(tmp_path: Path, data: Mnist, kind: str) -> None:
    recipe, options = RESUMED[kind]
    given = {"recipe": recipe, "mixed_precision": "mixed" in options}
    whole = train(start(tmp_path / "whole", **given), recipe, **options)
    assert accuracy(whole.model, data) > (0.85 if kind != "dropout" else 0.5)
    assert whole.model.output_shape == (None, 10)
    assert {layer.compute_dtype for layer in whole.model.layers} == {"float32"}
    interrupt(start(tmp_path / "parts", **given), recipe=recipe, **options)
    check_same_weights(train(start(tmp_path / "parts", **given, resume=True), recipe, **options), whole)


def test_epochs_are_counted_independently_of_the_optimizer(tmp_path: Path, recipe: Recipe) -> None:
    """Mixed precision skips steps whose gradients overflow, so the optimizer counts fewer steps."""
    device.strategy("cpu", mixed_precision=True)
    model = network.build(recipe)
    network.compile_for(model, recipe, steps_per_epoch=30, epochs=3)
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(58)
    run = start(tmp_path, mixed_precision=True)
    run.save(model, [{"epoch": 1.0}, {"epoch": 2.0}])
    fresh = network.build(recipe)
    network.compile_for(fresh, recipe, steps_per_epoch=30, epochs=3)
    assert run.restore(fresh) == 2
    assert fresh.optimizer.iterations.numpy() == 58
    assert json.loads((tmp_path / "history.json").read_text()) == [{"epoch": 1.0}, {"epoch": 2.0}]


def test_a_run_older_than_a_recipe_field_resumes(tmp_path: Path, recipe: Recipe) -> None:
    start(tmp_path)
    path = tmp_path / "run.json"
    written = json.loads(path.read_text())
    del written["recipe"]["members"]
    path.write_text(json.dumps(written))
    start(tmp_path, resume=True)
    with pytest.raises(RunError, match="another recipe"):
        start(tmp_path, recipe=replace(recipe, members=2), resume=True)
