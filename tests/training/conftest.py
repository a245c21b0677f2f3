"""Shared fixtures of the training tests: drawn digits, a network trained on them, its exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.training import drawn
from training.data.mnist import Mnist
from training.fitting.run import Run
from training.recipe import Recipe
from training.release import evaluate

if TYPE_CHECKING:
    from training.fitting import fit

HERE = Path(__file__).parent
#: These use TensorFlow: not part of `make test`, and not imported if it is not installed.
WITH_TENSORFLOW = {
    HERE / name
    for name in (
        "fitting/test_device.py",
        "fitting/test_fit.py",
        "fitting/test_loop.py",
        "fitting/test_start.py",
        "lessons/test_compare.py",
        "lessons/test_lessons.py",
        "lessons/test_probe.py",
        "model/test_distill.py",
        "model/test_network.py",
        "release/test_equalise.py",
        "release/test_export.py",
        "release/test_triton.py",
        "release/test_verify.py",
        "synthesis/test_augment.py",
        "test_own.py",
        "test_pipeline.py",
    )
}
collect_ignore = [] if find_spec("tensorflow") else sorted(WITH_TENSORFLOW)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path in WITH_TENSORFLOW:
            item.add_marker(pytest.mark.tensorflow)
        if item.get_closest_marker("tensorflow") and collect_ignore:
            item.add_marker(pytest.mark.skip(reason="a training needs TensorFlow: `make .venv/dev`"))


@dataclass(frozen=True)
class Exported:
    """A trained model, the temperature in its graphs, and the graphs."""

    model: Any
    temperature: float
    float32: bytes
    int8: bytes

    def probabilities(self, images: Any) -> evaluate.Floats:
        """Return Keras' answers, which the graphs must reproduce."""
        logits = self.model.predict(images.astype("float32"), verbose=0)
        return evaluate.probabilities(logits, self.temperature)


@pytest.fixture(scope="session")
def data() -> Mnist:
    return drawn.mnist()


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return drawn.RECIPE


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, data: Mnist, recipe: Recipe) -> Run:
    """The run in which `trained` was trained."""
    return Run.open(tmp_path_factory.mktemp("run"), recipe, recipe.epochs, 1, data, resume=False)


@pytest.fixture(scope="session")
def trained(run: Run, data: Mnist, recipe: Recipe) -> fit.Fitted:
    """The recipe, trained without interruption with seed 1."""
    from training.fitting import device, fit

    return fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, strategy=device.strategy("cpu"))


@pytest.fixture(scope="session")
def exported(trained: fit.Fitted, data: Mnist, recipe: Recipe) -> Exported:
    from training.release import export

    temperature = 1.5  # not 1, which would hide a missing temperature
    float32 = export.export_float32(trained.model, temperature, recipe)
    return Exported(trained.model, temperature, float32, export.export_int8(float32, data.train_images))


@pytest.fixture
def precision_policy() -> Iterator[None]:
    """Restore Keras' global precision policy."""
    yield
    keras = pytest.importorskip("keras")
    keras.mixed_precision.set_global_policy("float32")
