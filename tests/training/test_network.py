import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from training import network, recipes
from training.dataset import Mnist
from training.recipes import Recipe

DEFAULT = recipes.find(recipes.DEFAULT)


def learning_rates(recipe: Recipe, *, steps_per_epoch: int, epochs: int) -> list[float]:
    """Return the learning rate of every step, and of the one after the last."""
    model = network.build(replace(recipe, hidden=(4,)))
    network.compile_for(model, recipe, steps_per_epoch=steps_per_epoch, epochs=epochs)
    rates = []
    for step in range(steps_per_epoch * epochs + 1):
        model.optimizer.iterations.assign(step)
        rates.append(float(model.optimizer.learning_rate))
    return rates


def test_the_default_network_has_the_published_shape() -> None:
    model = network.build(DEFAULT)
    kernels = [layer.kernel.shape for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert kernels == [(784, 1024), (1024, 512), (512, 512), (512, 512), (512, 10)]
    assert model.count_params() == 1_859_082


def test_kernels_are_glorot_uniform_and_biases_zero() -> None:
    keras.utils.set_random_seed(5)
    for layer in network.build(DEFAULT).layers:
        if isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            bound = math.sqrt(6 / sum(kernel.shape))  # Glorot and Bengio 2010, equation 16
            assert 0.99 * bound < np.abs(kernel).max() <= bound
            assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.03)
            assert not bias.any()


def test_output_is_the_logits_of_scaled_pixels(data: Mnist, recipe: Recipe) -> None:
    model = network.build(recipe)
    values = data.test_images[:20].reshape(20, 784).astype(np.float64) / 255
    layers = [layer.get_weights() for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    for kernel, bias in layers[:-1]:
        values = np.maximum(values @ kernel + bias, 0)
    expected = values @ layers[-1][0] + layers[-1][1]
    found = model.predict(data.test_images[:20].astype(np.float32), verbose=0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.usefixtures("precision_policy")
def test_precision_can_differ_from_the_global_policy(recipe: Recipe) -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    assert {layer.compute_dtype for layer in network.build(recipe, precision="float32").layers} == {"float32"}
    mixed = network.build(recipe).layers
    assert [layer.compute_dtype for layer in mixed][-2:] == ["float16", "float32"], "logits stay in float32"
    assert {weight.dtype for layer in mixed for weight in layer.weights} == {"float32"}


def test_learning_rate_climbs_linearly_then_falls_along_a_half_cosine() -> None:
    recipe = replace(DEFAULT, learning_rate=1e-3, warmup_epochs=2)
    expected = [1e-3 * step / 20 for step in range(20)]
    expected += [1e-3 * (1 + math.cos(math.pi * step / 80)) / 2 for step in range(81)]
    assert learning_rates(recipe, steps_per_epoch=10, epochs=10) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("warmup_epochs", "epochs"), [(0, 4), (0.5, 1), (1, 1)])
def test_learning_rate_is_sane_for_short_runs(warmup_epochs: float, epochs: int) -> None:
    recipe = replace(DEFAULT, warmup_epochs=warmup_epochs)
    rates = learning_rates(recipe, steps_per_epoch=10, epochs=epochs)
    assert np.isfinite(rates).all()
    assert max(rates) == pytest.approx(1e-3)
    assert min(rates) >= 0
    if warmup_epochs < epochs:
        assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_accuracy_counts_digits_alone() -> None:
    accuracy = network.DigitAccuracy()
    level, logits = np.full((1, 10), 0.1), np.zeros((3, 10))
    logits[:, 4] = 1
    accuracy.update_state(np.vstack([np.eye(10)[[4, 5]], level]), logits)
    accuracy.update_state(np.vstack([np.eye(10)[[4]], level, level]), logits)
    assert float(accuracy.result()) == pytest.approx(2 / 3)
