"""The compiled loop against single steps."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from tests.training import drawn
from training.data.targets import targets
from training.errors import TrainingError
from training.fitting import batches, device, loop
from training.model import network
from training.recipe import Recipe
from training.synthesis import augment

pytestmark = pytest.mark.usefixtures("precision_policy")

STEPS = 6
PLAIN = replace(drawn.RECIPE, optimizer="sgd", learning_rate=0.1, deformation=None)  # Adam would amplify rounding
DEFORMED = replace(PLAIN, deformation=drawn.RECIPE.deformation)
DATA = drawn.mnist()
ORDER = batches.order(drawn.RECIPE, range(STEPS), digits=len(DATA.train_labels), pool=0, seed=1)


def compiled(recipe: Recipe = drawn.RECIPE) -> Any:
    keras.utils.set_random_seed(3)
    model = network.build(recipe)
    network.compile_for(model, recipe, steps_per_epoch=STEPS, epochs=2)
    return model


def looped(
    recipe: Recipe = drawn.RECIPE, *, xla: bool = False, pixels: Any = DATA.train_images, wanted: Any = None
) -> tuple[Any, Any]:
    """Return a model after one epoch of six steps, starting at step 6, and its figures."""
    strategy = device.strategy("cpu")
    with strategy.scope():
        model = compiled(recipe)
        images = loop.place(pixels, targets(DATA.train_labels) if wanted is None else wanted)
        trainer = loop.Loop(model, by_targets(model), images, recipe, strategy, 1, STEPS, xla)
    return model, trainer.train(ORDER, STEPS)


def by_targets(model: Any) -> loop.Loss:
    return lambda batch, answers: model.loss.call(batch.targets, answers)


def by_hand(recipe: Recipe) -> tuple[Any, list[float]]:
    """Return the model after Keras' own steps on the same batches, and their losses."""
    model, losses = compiled(recipe), []
    for number, chosen in enumerate(ORDER):
        pixels = DATA.train_images[chosen].astype(np.float32)
        if recipe.deformation is not None:
            pixels = augment.deform(pixels, [2 * 1 + 1, STEPS + number], recipe.deformation)
        losses.append(model.train_on_batch(pixels, targets(DATA.train_labels[chosen])))
    return model, losses


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("recipe", [DEFORMED, PLAIN], ids=["deformed", "plain"])
def test_an_epoch_in_one_call_equals_its_steps(recipe: Recipe, xla: bool) -> None:
    (found, figures), (expected, _) = looped(recipe, xla=xla), by_hand(recipe)
    for found_weight, expected_weight in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(found_weight, expected_weight, atol=2e-4)
    assert 0 < figures.accuracy < 1


def test_the_loss_is_the_mean_over_the_steps() -> None:
    recipe = replace(drawn.RECIPE, learning_rate=0.0)
    _, figures = looped(recipe)
    model, chosen = compiled(recipe), ORDER.ravel()
    assert recipe.deformation is not None
    pixels = np.concatenate(
        [
            augment.deform(DATA.train_images[each].astype(np.float32), [3, STEPS + number], recipe.deformation)
            for number, each in enumerate(ORDER)
        ]
    )
    answers = model.predict(pixels, verbose=0)
    assert figures.loss == pytest.approx(float(model.loss(targets(DATA.train_labels[chosen]), answers)), rel=1e-4)
    assert figures.accuracy == pytest.approx(np.mean(answers.argmax(axis=1) == DATA.train_labels[chosen]))


@pytest.mark.parametrize("xla", [False, True])
def test_a_nan_loss_names_its_step(xla: bool) -> None:
    wanted = targets(DATA.train_labels)
    wanted[ORDER[4][0]] = np.nan  # each epoch uses it once: in its fifth step, step 10 of the run
    with pytest.raises(TrainingError, match=r"not a finite number at step 10, in epoch 2\. Nothing was published"):
        looped(PLAIN, xla=xla, wanted=wanted)


def test_nan_weights_are_found_even_behind_relu() -> None:
    pixels = DATA.train_images.astype(np.float16)
    pixels[:, 0, 0] = np.nan
    # ReLU turns NaN into zero on some processors only; on others the loss shows it first.
    seen = r"(weights were not finite numbers after|loss was not a finite number at step \d+, in) epoch 2\. Nothing was"
    with pytest.raises(TrainingError, match=seen):
        looped(PLAIN, pixels=pixels)


def test_validation_equals_keras_over_several_batches() -> None:
    model = compiled()
    images, wanted = np.tile(DATA.validation_images, (4, 1, 1)), targets(np.tile(DATA.validation_labels, 4))
    figures = loop.Validation(model, images, wanted).judge()
    assert figures.loss == pytest.approx(model.evaluate(images.astype(np.float32), wanted, verbose=0), rel=1e-4)
    answers = model.predict(images.astype(np.float32), verbose=0).argmax(axis=1)
    assert figures.accuracy == pytest.approx(np.mean(answers == wanted.argmax(axis=1)))


@pytest.fixture(scope="module")
def traced() -> list[Any]:
    """All operations of an epoch's graph as NodeDefs."""
    strategy = device.strategy("cpu")
    with strategy.scope():
        model = compiled()
        images = loop.place(DATA.train_images, targets(DATA.train_labels))
        trainer = loop.Loop(model, by_targets(model), images, drawn.RECIPE, strategy, 1, STEPS, xla=False)
    graph = trainer._epoch.get_concrete_function(tf.constant(ORDER), tf.constant(0)).graph.as_graph_def()
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


def test_no_operation_of_the_graph_needs_the_host(traced: list[Any]) -> None:
    """Python functions and host iterators would make a device wait."""
    kinds = {node.op for node in traced}
    assert any("While" in kind for kind in kinds)
    assert not {kind for kind in kinds if "PyFunc" in kind or "Iterator" in kind or "Dataset" in kind}


def has_gpu_kernel(node: Any) -> bool:
    """Return whether this TensorFlow build has a GPU kernel for `node` and its types."""
    return any(
        kernel.device_type in ("GPU", "DEFAULT")
        and all(node.attr[rule.name].type in rule.allowed_values.list.type for rule in kernel.constraint)
        for kernel in kernels.get_registered_kernels_for_op(node.op).kernel
    )


def test_a_gpu_has_a_kernel_for_each_operation(traced: list[Any]) -> None:
    """The wheel contains them, so no GPU is needed here. An operation without one would run on the host."""
    known = kernels.get_registered_kernels_for_op("MatMul").kernel
    if not any(kernel.device_type == "GPU" for kernel in known):
        pytest.skip("this build of TensorFlow has no GPU kernels")
    assert {node.op for node in traced if not has_gpu_kernel(node)} == set()
