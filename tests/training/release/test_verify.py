from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from onnxruntime.quantization import quantize_dynamic

from service.contract import FLOAT32_FILE, INT8_FILE
from tests.training.conftest import Exported
from training.data.mnist import Mnist
from training.errors import VerificationError
from training.model import network
from training.recipe import Recipe
from training.release import evaluate, export, verify


def verified(
    exported: Exported, data: Mnist, recipe: Recipe, *, float32: bytes | None = None, int8: bytes | None = None
) -> verify.Verification:
    return verify.verify(
        float32 or exported.float32,
        int8 or exported.int8,
        recipe,
        keras_probabilities=exported.probabilities(data.test_images),
        test_images=data.test_images,
        test_labels=data.test_labels,
        certain_from=0.6,
    )


def other_weights(exported: Exported, recipe: Recipe, noise: float) -> Any:
    model = network.build(recipe)
    random = np.random.default_rng(3)
    model.set_weights([weight + random.normal(0, noise, weight.shape) for weight in exported.model.get_weights()])
    return model


def test_figures_are_those_of_keras(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    found = verified(exported, data, recipe).figures
    expected = evaluate.evaluate(exported.probabilities(data.test_images), data.test_labels, 0.6)
    float32 = found[FLOAT32_FILE]
    assert (float32.test.errors, float32.test.confusion) == (expected.errors, expected.confusion)
    assert (float32.labels_differing, float32.bytes) == (0, len(exported.float32))
    assert float32.keras_difference <= verify.MOST_DIFFERENCE
    assert found[INT8_FILE].keras_difference > verify.MOST_DIFFERENCE
    for graph in found.values():
        assert graph.batch_difference <= verify.MOST_BATCH_DIFFERENCE
        assert 1 < graph.microseconds < 10_000


def test_a_graph_of_other_weights_is_refused(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    other = export.export_float32(other_weights(exported, recipe, 0.2), exported.temperature, recipe)
    with pytest.raises(VerificationError, match=r"The export is not the model: \d+ labels differ"):
        verified(exported, data, recipe, float32=other)


def test_a_graph_of_another_temperature_is_refused(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    other = export.export_float32(exported.model, exported.temperature * 1.01, recipe)
    with pytest.raises(VerificationError, match="The export is not the model: 0 labels differ"):
        verified(exported, data, recipe, float32=other)


def test_a_float32_graph_that_depends_on_the_batch_is_rejected(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    zero = exported.probabilities(data.test_images)[:, 0]
    # 5e-6: more than the batch may change a probability, less than the export may
    shift = np.eye(10, dtype=np.float32)[0] * exported.temperature * 5e-6 / float((zero * (1 - zero)).max())

    def neighbourly(images: Any, training: bool) -> Any:
        return exported.model(images, training=training) + shift * tf.cast(tf.shape(images)[0] > 1, tf.float32)

    other = export.export_float32(neighbourly, exported.temperature, recipe)
    with pytest.raises(VerificationError, match="An answer depends on what shares its batch: by 5"):
        verified(exported, data, recipe, float32=other)


def test_a_model_under_the_floor_is_rejected(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    with pytest.raises(VerificationError, match=r"under the floor of 99\.90% of recipe tiny"):
        verified(exported, data, replace(recipe, accuracy_floor=0.999))


def test_a_less_accurate_int8_graph_is_left_out(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    worse = export.export_float32(other_weights(exported, recipe, 0.1), exported.temperature, recipe)
    found = verified(exported, data, recipe, int8=export.export_int8(worse, data.train_images))
    assert found.left_out is not None
    assert "points of accuracy" in found.left_out
    assert list(found.graphs) == [FLOAT32_FILE]
    assert set(found.figures) == {FLOAT32_FILE, INT8_FILE}, "its figures say why"


def test_an_int8_graph_that_depends_on_the_batch_is_left_out(
    exported: Exported, data: Mnist, recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "float32.onnx").write_bytes(exported.float32)
    quantize_dynamic(tmp_path / "float32.onnx", tmp_path / "dynamic.onnx")
    right = exported.probabilities(data.test_images).argmax(axis=1) == data.test_labels
    sure = exported.probabilities(data.test_images).max(axis=1) > 0.5
    easy = replace(data, test_images=data.test_images[right & sure], test_labels=data.test_labels[right & sure])
    found = verified(exported, easy, recipe, int8=(tmp_path / "dynamic.onnx").read_bytes())
    assert found.left_out is not None
    assert "depend on their batch" in found.left_out


def test_a_slower_int8_graph_is_left_out(exported: Exported, data: Mnist, recipe: Recipe) -> None:
    ballast = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3_000), keras.layers.Dense(10)])

    def slower(images: Any, training: bool) -> Any:
        return exported.model(images, training=training) + 1e-12 * ballast(images)

    ballast(np.zeros((1, 28, 28), np.float32))
    found = verified(exported, data, recipe, int8=export.export_float32(slower, exported.temperature, recipe))
    assert found.left_out is not None
    assert "no faster" in found.left_out


def test_run_in_batches_keeps_the_order(exported: Exported, data: Mnist) -> None:
    engine = verify.Engine.open(exported.float32)
    np.testing.assert_allclose(
        verify.run_in_batches(engine, data.test_images, 7), engine.run(data.test_images), atol=1e-6
    )
