from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import softmax

from tests.training import drawn
from training.data.mnist import Mnist
from training.data.targets import targets
from training.fitting import device, fit
from training.fitting.run import Run
from training.lessons import probe
from training.model import network
from training.recipe import Recipe

LINEAR = replace(drawn.RECIPE, hidden=())


def test_the_gradient_of_one_layer_is_the_textbooks(data: Mnist) -> None:
    model = network.build(LINEAR)
    images, wanted = data.train_images[:40].astype(np.float32), targets(data.train_labels[:40])
    pixels = images.reshape(40, 784) / 255
    error = softmax(model.predict(images, verbose=0), axis=1) - wanted  # Bishop 2006, equation 4.109
    (found,) = probe.gradient_norms(model, network.loss(LINEAR), images, wanted)
    assert found == pytest.approx(np.linalg.norm(pixels.T @ error / 40), rel=1e-4)


def test_units_without_output_are_dead(data: Mnist) -> None:
    model = network.build(replace(drawn.RECIPE, hidden=(5, 4)))
    first = probe.dense_layers(model)[0]
    kernel, bias = first.get_weights()
    kernel[:, :3], bias[:3] = -1, 0  # no input activates them
    kernel[:, 3:], bias[3:] = 1, 0.5
    first.set_weights([kernel, bias])
    hidden, _, logits = probe.look(model, data.test_images[:30])
    assert (hidden["layer"], hidden["units"], hidden["dead"]) == ("hidden_1", 5, 3)
    assert (logits["layer"], logits["units"], logits["dead"]) == ("logits", 10, None), "its outputs are no ReLU's"
    assert sum(hidden["counts"]) == 30 * 5
    assert hidden["counts"][0] >= 30 * 3
    brightest = data.test_images[:30].reshape(30, 784).sum(axis=1).max() / 255
    assert (hidden["low"], hidden["high"]) == (0, pytest.approx(brightest + 0.5, rel=1e-5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_diverged_can_be_looked_at(data: Mnist, value: float) -> None:
    model = network.build(LINEAR)
    model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
    (found,) = probe.look(model, data.test_images[:30])
    assert sum(found["counts"]) < 300
    assert np.isfinite([found["low"], found["high"]]).all()


@pytest.mark.parametrize("members", [1, 2])
def test_a_probe_notes_each_epoch_and_changes_nothing(
    tmp_path: Any, data: Mnist, trained: fit.Fitted, recipe: Recipe, members: int
) -> None:
    recipe = replace(recipe, members=members)
    run = Run.open(tmp_path, recipe, recipe.epochs, 1, data, resume=False)
    looker = probe.Probe(recipe, data)
    keras.mixed_precision.set_global_policy("float32")
    fitted = fit.fit(
        recipe, data, run, seed=1, epochs=recipe.epochs, strategy=device.strategy("cpu"), callbacks=[looker]
    )
    assert np.shape(looker.gradients) == (1 + recipe.epochs, 1 + len(recipe.hidden))
    assert np.min(looker.gradients) > 0
    names = ["hidden_1", "hidden_2", "logits"]
    assert [layer["layer"] for layer in looker.start] == [layer["layer"] for layer in looker.end] == names
    assert looker.start != looker.end
    if members == 1:
        for found, expected in zip(fitted.model.get_weights(), trained.model.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
