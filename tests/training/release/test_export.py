import json

import numpy as np
import onnx
import pytest

from service.contract import INPUT_NAME, METADATA_RECIPE, OUTPUT_NAME
from service.inference.engine import Engine
from tests.training.conftest import Exported
from training.data.mnist import Mnist
from training.fitting import device, fit
from training.model import network
from training.recipe import Recipe
from training.release import export


@pytest.fixture(params=["float32", "int8"])
def graph(request: pytest.FixtureRequest, exported: Exported) -> bytes:
    content: bytes = getattr(exported, request.param)
    return content


def test_graphs_speak_the_contract(graph: bytes, recipe: Recipe) -> None:
    Engine.open(graph)  # refuses what does not
    model = onnx.load_from_string(graph)
    assert [node.name for node in model.graph.input] == [INPUT_NAME]
    assert [node.name for node in model.graph.output] == [OUTPUT_NAME]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata[METADATA_RECIPE]) == json.loads(json.dumps(recipe.to_dict()))


@pytest.mark.parametrize("count", [0, 1, 2, 7, 300])
def test_any_number_of_images_is_answered(graph: bytes, data: Mnist, count: int) -> None:
    found = Engine.open(graph).run(data.test_images[:count])
    assert (found.shape, found.dtype) == ((count, 10), np.float32)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_int8_is_near_and_really_int8(exported: Exported, data: Mnist) -> None:
    found, expected = Engine.open(exported.int8).run(data.test_images), exported.probabilities(data.test_images)
    assert np.abs(found - expected).max() < 0.05
    assert np.abs(found - expected).mean() < 0.0015
    kernels = [tensor for tensor in onnx.load_from_string(exported.int8).graph.initializer if len(tensor.dims) == 2]
    assert {tensor.data_type for tensor in kernels} == {onnx.TensorProto.INT8}
    values = np.concatenate([onnx.numpy_helper.to_array(tensor).ravel() for tensor in kernels]).astype(int)
    assert -64 <= values.min() < values.max() <= 64, "7 bits, for processors whose sums of two products would overflow"


def test_an_answer_does_not_depend_on_its_batch(graph: bytes, data: Mnist) -> None:
    engine, images = Engine.open(graph), data.test_images
    together = engine.run(images)
    alone = np.concatenate([engine.run(image[None]) for image in images])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    bright = np.concatenate([images[:5], np.full((50, 28, 28), 255, np.uint8)])
    np.testing.assert_allclose(engine.run(bright)[:5], together[:5], atol=1e-6)


def test_int8_needs_no_particular_number_of_images(exported: Exported, data: Mnist) -> None:
    Engine.open(export.export_int8(exported.float32, data.train_images[:7]))


@pytest.mark.usefixtures("precision_policy")
def test_mixed_precision_exports_a_float32_graph(recipe: Recipe, data: Mnist) -> None:
    device.strategy("cpu", mixed_precision=True)
    model = fit._finished(network.build(recipe), recipe, None)
    graph = export.export_float32(model, 1.0, recipe)
    types = {tensor.data_type for tensor in onnx.load_from_string(graph).graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in types
    expected = Exported(model, 1.0, graph, b"").probabilities(data.test_images)
    np.testing.assert_allclose(Engine.open(graph).run(data.test_images), expected, atol=1e-5)
