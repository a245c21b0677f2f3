import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from tests.training import drawn
from training import recipes
from training.data.mnist import Mnist
from training.data.targets import targets
from training.lessons.probe import dense_layers as dense
from training.model import network
from training.recipe import Recipe

DEFAULT = recipes.find(recipes.DEFAULT)


def train(recipe: Recipe, data: Mnist, *, steps: int, weights: Any = None) -> tuple[Any, Any]:
    """Train `recipe` for `batches` batches, from `weights` if given; return the model and its initial weights."""
    keras.utils.set_random_seed(4)
    model = network.build(recipe)
    if weights is not None:
        model.set_weights(weights)
    network.compile_for(model, recipe, steps_per_epoch=steps, epochs=1)
    before = model.get_weights()
    count = steps * recipe.batch_size
    images, labels = data.train_images[:count].astype(np.float32), targets(data.train_labels[:count])
    model.fit(images, labels, batch_size=recipe.batch_size, shuffle=False, verbose=0)
    return model, before


def learning_rates(recipe: Recipe, *, steps_per_epoch: int, epochs: int) -> list[float]:
    """Return the learning rate of every step and of the one after the last."""
    model = network.build(replace(recipe, hidden=(4,)))
    network.compile_for(model, recipe, steps_per_epoch=steps_per_epoch, epochs=epochs)
    rates = []
    for step in range(steps_per_epoch * epochs + 1):
        model.optimizer.iterations.assign(step)
        rates.append(float(model.optimizer.learning_rate))
    return rates


def test_kernels_are_glorot_uniform_and_biases_zero() -> None:
    keras.utils.set_random_seed(5)
    for kernel, bias in (layer.get_weights() for layer in dense(network.build(DEFAULT))):
        bound = math.sqrt(6 / sum(kernel.shape))  # Glorot and Bengio 2010, equation 16
        assert 0.99 * bound < np.abs(kernel).max() <= bound
        assert kernel.std() == pytest.approx(bound / math.sqrt(3), rel=0.03)
        assert not bias.any()


@pytest.mark.usefixtures("precision_policy")
def test_precision_can_differ_from_the_global_policy(recipe: Recipe) -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    assert {layer.compute_dtype for layer in network.build(recipe, precision="float32").layers} == {"float32"}
    mixed = network.build(recipe).layers
    assert [layer.compute_dtype for layer in mixed][-2:] == ["float16", "float32"], "logits stay in float32"
    assert {weight.dtype for layer in mixed for weight in layer.weights} == {"float32"}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_fused_adam_is_kerass_adam(data: Mnist, decay: float) -> None:
    recipe = replace(DEFAULT, hidden=(16,), batch_size=32, weight_decay=decay)
    fused, before = train(recipe, data, steps=5)
    plain = network.build(recipe)
    plain.set_weights(before)
    optimizer = keras.optimizers.Adam(fused.optimizer._learning_rate, weight_decay=decay or None)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    plain.compile(optimizer=optimizer, loss=network.loss(recipe), jit_compile=False)
    images, labels = data.train_images[:160].astype(np.float32), targets(data.train_labels[:160])
    plain.fit(images, labels, batch_size=32, shuffle=False, verbose=0)
    for ours, theirs, start in zip(fused.get_weights(), plain.get_weights(), before, strict=True):
        assert np.abs(theirs - start).max() > 1e-4
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


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
    logits = np.zeros((3, 10))
    logits[:, 4] = 1
    wanted = np.vstack([np.eye(10)[[4, 5]], np.full((1, 10), 0.1)])
    assert [float(count) for count in network.count_right(wanted, logits)] == [1, 2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid-sgd", 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10),
        ("relu-adam-3", 269_322),
        (recipes.DEFAULT, 1_859_082),
        ("dmlp-tanh-uniform", 1_859_082),
        ("dmlp-500", 1_149_010),  # the textbook's number
        ("dmlp-linear", 1_859_082),
        ("dmlp-ensemble", 3 * 1_859_082),
    ],
)
def test_lessons_have_the_weights_that_they_should(name: str, expected: int) -> None:
    assert network.build(recipes.find(name)).count_params() == expected


@pytest.mark.parametrize(
    ("name", "deviation", "most", "bias_deviation"),
    [
        ("sigmoid-sgd", lambda *_: 1.0, math.inf, 1.0),
        ("relu-sgd", lambda *_: 1.0, math.inf, 1.0),
        ("dmlp-tanh-uniform", lambda *_: 0.05 / math.sqrt(3), 0.05, 0),
        ("dmlp-tanh-glorot", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)), math.inf, 0),
        ("dmlp-he", lambda fan_in, _: math.sqrt(2 / fan_in), math.inf, 0),  # He et al. 2015, equation 10
        ("dmlp-small-normal", lambda *_: 0.01, math.inf, 0),
        ("dmlp-zeros", lambda *_: 0, 0, 0),
        ("dmlp-zeros-sigmoid", lambda *_: 0, 0, 0),
    ],
)
def test_lessons_start_from_the_weights_that_they_should(
    name: str, deviation: Any, most: float, bias_deviation: float
) -> None:
    keras.utils.set_random_seed(6)
    for layer in dense(network.build(recipes.find(name)))[:-1]:
        kernel, bias = layer.get_weights()
        assert kernel.std() == pytest.approx(deviation(*kernel.shape), rel=0.02)
        assert abs(kernel.mean()) <= 0.02 * kernel.std()
        assert np.abs(kernel).max() <= most
        assert bias.std() == pytest.approx(bias_deviation, rel=0.2)


def test_two_layers_of_one_recipe_start_from_different_numbers() -> None:
    kernels = [layer.get_weights()[0] for layer in dense(network.build(recipes.find("dmlp-small-normal")))]
    assert not np.array_equal(kernels[2], kernels[3])


@pytest.mark.parametrize(
    ("name", "hidden", "output"),
    [
        (recipes.DEFAULT, lambda x: np.maximum(x, 0), lambda x: x),
        ("sigmoid-sgd", lambda x: 1 / (1 + np.exp(-x)), lambda x: x),
        ("relu-sgd", lambda x: np.maximum(x, 0), lambda x: x),
        ("relu-sgd-relu-output", lambda x: np.maximum(x, 0), lambda x: np.maximum(x, 0)),
        ("dmlp-tanh-glorot", np.tanh, np.tanh),
        ("dmlp-tanh-logits", np.tanh, lambda x: x),
        ("dmlp-leaky-relu", lambda x: np.where(x < 0, 0.01 * x, x), lambda x: x),
        ("dmlp-linear", lambda x: x, lambda x: x),
        ("dmlp-dropout", lambda x: np.maximum(x, 0), lambda x: x),  # inference drops no unit
    ],
)
def test_lessons_compute_what_they_describe(name: str, hidden: Any, output: Any, data: Mnist) -> None:
    model = network.build(replace(recipes.find(name), hidden=(30, 20)))
    values = data.test_images[:20].reshape(20, 784).astype(np.float64) / 255
    for layer, activation in zip(dense(model), (hidden, hidden, output), strict=True):
        kernel, bias = layer.get_weights()
        values = activation(values @ kernel + bias)
    found = model.predict(data.test_images[:20].astype(np.float32), verbose=0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=1e-4, atol=1e-4)


def test_dropout_leaves_out_its_share_while_it_learns(data: Mnist) -> None:
    recipe = replace(recipes.find("dmlp-dropout"), hidden=(400,), activation="linear", bias_initializer="ones")
    model = network.build(recipe)
    inside = keras.Model(model.inputs[0], model.get_layer("dropout_1").output)
    answers = inside(data.test_images[:50].astype(np.float32), training=True).numpy()
    assert np.mean(answers == 0) == pytest.approx(recipe.dropout, abs=0.02)


@pytest.mark.parametrize("name", ["dmlp-tanh-glorot", "dmlp-relu"])
def test_losses_are_those_of_their_formula(name: str) -> None:
    targets, outputs = np.eye(10)[[3, 0]], np.random.default_rng(1).normal(0, 2, (2, 10))
    expected = {
        "dmlp-tanh-glorot": np.mean((targets - outputs) ** 2),
        "dmlp-relu": -np.mean(log_softmax(outputs, axis=1)[[0, 1], [3, 0]]),
    }
    assert float(network.loss(recipes.find(name))(targets, outputs)) == pytest.approx(expected[name], rel=1e-5)


def test_a_lessons_learning_rate_is_constant() -> None:
    recipe = recipes.find("dmlp-momentum")
    assert learning_rates(recipe, steps_per_epoch=10, epochs=3) == pytest.approx([0.01] * 31)


def test_momentum_carries_a_step_on() -> None:
    optimizer = network._optimizer(recipes.find("dmlp-momentum"), 0.01)
    variable = keras.Variable([1.0])
    for gradient in (1.0, 0.0):
        optimizer.apply([keras.ops.array([gradient])], [variable])
    assert float(variable[0]) == pytest.approx(1 - 0.01 - 0.9 * 0.01)


def test_weight_decay_takes_its_share_off_kernels_alone() -> None:
    recipe = recipes.find("dmlp-weight-decay")
    optimizer = network._optimizer(recipe, recipe.learning_rate)
    model = network.build(replace(recipe, hidden=(5,), bias_initializer="ones"))
    before = model.get_weights()
    optimizer.apply(
        [keras.ops.zeros_like(variable) for variable in model.trainable_variables], model.trainable_variables
    )
    for found, old in zip(model.get_weights(), before, strict=True):
        kept = 1 - recipe.learning_rate * recipe.weight_decay if old.ndim == 2 else 1
        np.testing.assert_allclose(found, kept * old, rtol=1e-6)


ENSEMBLE = replace(drawn.RECIPE, members=3, deformation=None, warmup_epochs=0)


def test_an_ensemble_answers_with_the_mean_of_probabilities(data: Mnist) -> None:
    model = network.build(ENSEMBLE)
    images = data.test_images[:30].astype(np.float32)
    each = [member.predict(images, verbose=0) for member in network.members(model)]
    assert len(each) == 3
    assert np.abs(each[0] - each[1]).max() > 0.1, "they start from different weights"
    np.testing.assert_allclose(model.predict(images, verbose=0), np.stack(each, axis=1), atol=1e-5)
    expected = np.mean([softmax(logits, axis=1) for logits in each], axis=0)
    np.testing.assert_allclose(softmax(network.pooled(model).predict(images, verbose=0), axis=1), expected, atol=1e-6)


def test_zero_probabilities_of_an_ensemble_have_a_finite_log() -> None:
    logits = np.zeros((1, 2, 10), np.float32)
    logits[..., 0] = 500
    assert np.isfinite(network.log_mean_probability(logits)).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error"])
def test_each_member_learns_as_it_would_alone(data: Mnist, loss: str) -> None:
    recipe = replace(ENSEMBLE, loss=loss, optimizer="sgd", learning_rate=0.1)
    ensemble, before = train(recipe, data, steps=4)
    own = before[: len(before) // recipe.members]
    alone, _ = train(replace(recipe, members=1), data, steps=4, weights=own)
    found, expected = network.members(ensemble)[0].get_weights(), alone.get_weights()
    assert np.abs(expected[0] - own[0]).max() > 1e-3, "it learns"
    for weight, expected_weight in zip(found, expected, strict=True):
        np.testing.assert_allclose(weight, expected_weight, atol=1e-6)


def test_accuracy_of_an_ensemble_is_that_of_its_mean() -> None:
    logits = np.zeros((1, 3, 10), np.float32)
    logits[0, :2, 1], logits[0, 2, 7] = 1, 9  # two slightly prefer 1, one is sure of 7
    assert [float(count) for count in network.count_right(np.eye(10)[[7]], logits)] == [1, 1]
