"""Training on a GPU gives the results of the CPU. Without a GPU the CPU is compared with itself.

`make gpu-tests` runs this in an environment with CUDA.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from service.contract import MODEL_NAME, Manifest
from service.inference.engine import open_version
from service.settings import has_gpu
from tests.server import ROOT
from tests.training import drawn
from training.data import mnist
from training.data.targets import targets
from training.fitting import device, fit, loop
from training.fitting.device import Device
from training.fitting.run import Run
from training.synthesis import augment

MOST_OFF = 0.03  # of the accuracy: nine of the 300 drawn test digits


def _no_cuda() -> bool:
    try:
        return not metadata.version("nvidia-cudnn-cu12")
    except metadata.PackageNotFoundError:
        return True


gpu = pytest.param(
    "gpu",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not has_gpu(), reason="no GPU: NVIDIA's driver has found none"),
        pytest.mark.skipif(_no_cuda(), reason="TensorFlow has no CUDA in this environment: run `make gpu-tests`"),
    ],
)


def train(
    directory: Path, chosen: Device, *, mixed: bool = False, xla: bool | None = None, callbacks: Sequence[Any] = ()
) -> fit.Fitted:
    """Train the drawn digits' recipe in `directory`, from the checkpoint there if there is one."""
    data, recipe, resume = drawn.mnist(), drawn.RECIPE, Run.is_in(directory)
    run = Run.open(directory, recipe, recipe.epochs, 1, data, mixed_precision=mixed, resume=resume)
    strategy = device.strategy(chosen, mixed_precision=mixed)
    try:
        given = {"strategy": strategy, "xla": xla, "callbacks": callbacks}
        return fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, **given)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def accuracy(fitted: fit.Fitted) -> float:
    answers = fitted.model.predict(drawn.mnist().test_images.astype(np.float32), verbose=0).argmax(axis=1)
    return float(np.mean(answers == drawn.mnist().test_labels))


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory: pytest.TempPathFactory) -> fit.Fitted:
    """The reference."""
    return train(tmp_path_factory.mktemp("run"), "cpu")


@pytest.mark.parametrize("chosen", ["cpu", gpu])
def test_the_same_seed_deforms_alike(chosen: Device) -> None:
    images = drawn.mnist().train_images[:256].astype(np.float32)
    deformation = drawn.RECIPE.deformation
    assert deformation is not None
    with tf.device("CPU"):
        expected = augment.deform(images, [1, 2], deformation).numpy()
    with tf.device(chosen.upper()):
        found = augment.deform(images, [1, 2], deformation)
    assert chosen.upper() in found.device
    assert np.abs(expected - images).max() > 50
    np.testing.assert_allclose(found.numpy(), expected, atol=1.0)  # of 255


@pytest.mark.parametrize("chosen", ["cpu", gpu])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("xla", [False, True])
def test_the_same_seed_learns_as_much(
    chosen: Device, mixed: bool, xla: bool, on_cpu: fit.Fitted, tmp_path: Path
) -> None:
    if xla and device.strategy(chosen).num_replicas_in_sync > 1:
        pytest.skip("several GPUs train without XLA")
    found = train(tmp_path, chosen, mixed=mixed, xla=xla)
    assert accuracy(found) == pytest.approx(accuracy(on_cpu), abs=MOST_OFF)
    losses = [[entry["loss"] for entry in fitted.history] for fitted in (found, on_cpu)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


class InterruptInEpochThree(keras.callbacks.Callback):  # type: ignore[misc]
    """Interrupts after two epochs."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("chosen", ["cpu", gpu])
def test_a_resumed_run_continues_exactly(chosen: Device, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", chosen)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "halves", chosen, callbacks=[InterruptInEpochThree()])
    resumed = train(tmp_path / "halves", chosen)
    assert [entry["epoch"] for entry in resumed.history] == [1, 2, 3, 4]
    assert [entry["loss"] for entry in resumed.history] == pytest.approx(
        [entry["loss"] for entry in whole.history], rel=1e-2
    )


@pytest.mark.parametrize("chosen", ["cpu", gpu])
def test_images_share_a_device_with_the_training(chosen: Device) -> None:
    """If a variable were on the host, each step would copy from there."""
    with device.strategy(chosen).scope():
        images = loop.place(drawn.mnist().train_images, targets(drawn.mnist().train_labels))
    assert {chosen.upper() in each.device for each in (images.pixels, images.targets)} == {True}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chosen", [gpu])
@pytest.mark.parametrize("more", [[], ["--mixed-precision"]])
def test_an_epoch_of_mnist_is_published(chosen: Device, more: list[str], tmp_path: Path, mnist_dir: Path) -> None:
    arguments = ["--recipe", "smoke", "--data", str(mnist_dir), "--device", chosen, *more]
    arguments += ["--models", str(tmp_path / "models"), "--run-dir", str(tmp_path / "run")]
    command = [sys.executable, "-m", "training", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "on GPU" in result.stdout or "x GPU" in result.stdout
    version = tmp_path / "models" / MODEL_NAME / "1"
    data = mnist.load(mnist_dir)
    answers = open_version(version, Manifest.read(version), provider="cpu").run(data.test_images).argmax(axis=1)
    assert np.mean(answers == data.test_labels) > 0.95
