"""What the tests of the training share: drawn digits, one network trained on them, and its exports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import pytest

from tests.training import drawn
from training.data.mnist import Mnist
from training.fitting import device, fit
from training.fitting.run import Run
from training.recipe import Recipe
from training.release import evaluate, export


@dataclass(frozen=True)
class Exported:
    """A trained model, the temperature that is in its graphs, and the graphs."""

    model: Any
    temperature: float
    float32: bytes
    int8: bytes

    def probabilities(self, images: Any) -> evaluate.Floats:
        """Return Keras' answers, which the graphs have to give."""
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
    """The recipe, trained without an interruption with seed 1."""
    return fit.fit(recipe, data, run, seed=1, epochs=recipe.epochs, strategy=device.strategy("cpu"))


@pytest.fixture(scope="session")
def exported(trained: fit.Fitted, data: Mnist, recipe: Recipe) -> Exported:
    temperature = 1.5  # any but 1, which would hide a graph without it
    float32 = export.export_float32(trained.model, temperature, recipe)
    return Exported(trained.model, temperature, float32, export.export_int8(float32, data.train_images))


@pytest.fixture
def precision_policy() -> Iterator[None]:
    """Put Keras' global policy back, which a test that chooses a precision changes."""
    yield
    keras.mixed_precision.set_global_policy("float32")
