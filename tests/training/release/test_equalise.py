"""Equalised hidden units: the same answers in float32, closer ones in int8."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

from service.inference.engine import Engine
from tests.training.conftest import Exported
from training.data.mnist import Mnist
from training.model import network
from training.recipe import Recipe
from training.recipes import find
from training.release import export
from training.release.equalise import equalise


@pytest.fixture
def uneven(exported: Exported, recipe: Recipe) -> bytes:
    """The trained network with one unit of its first layer scaled by 300, and its outgoing weights by 1/300."""
    model = network.build(recipe)
    weights = [weight.copy() for weight in exported.model.get_weights()]
    weights[0][:, 0] *= 300
    weights[1][0] *= 300
    weights[2][0] /= 300
    model.set_weights(weights)
    return export.export_float32(model, exported.temperature, recipe)


def joined(graph: bytes, tmp_path: Any) -> Any:
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph)
    quant_pre_process(path, path, skip_symbolic_shape=True)
    return onnx.load(path)


def test_weight_equalisation_keeps_the_answers(exported: Exported, data: Mnist, tmp_path: Any) -> None:
    model = joined(exported.float32, tmp_path)
    before = [numpy_helper.to_array(constant) for constant in model.graph.initializer]
    equalise(model, data.train_images[:500])
    after = [numpy_helper.to_array(constant) for constant in model.graph.initializer]
    assert not all(map(np.array_equal, before, after))
    found = Engine.open(model.SerializeToString()).run(data.test_images)
    np.testing.assert_allclose(found, exported.probabilities(data.test_images), atol=1e-5)


def test_a_unit_far_above_the_others_costs_int8_nothing(
    exported: Exported, uneven: bytes, data: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = exported.probabilities(data.test_images)

    def difference(graph: bytes) -> float:
        int8 = export.export_int8(graph, data.train_images)
        return float(np.abs(Engine.open(int8).run(data.test_images) - wanted).mean())

    np.testing.assert_allclose(Engine.open(uneven).run(data.test_images), wanted, atol=1e-4)
    usual, equalised = difference(exported.float32), difference(uneven)
    monkeypatch.setattr(export, "equalise", lambda *_: None)
    assert equalised < 1.5 * usual
    assert difference(uneven) > 5 * equalised, "so it is the scaling that helps"


@pytest.mark.parametrize("name", ["dmlp-tanh-glorot", "dmlp-zeros"])
def test_dead_and_unused_units_are_unchanged(data: Mnist, name: str, tmp_path: Any) -> None:
    recipe = find(name)
    model = joined(export.export_float32(network.build(recipe), 1.0, recipe), tmp_path)
    before = model.SerializeToString()
    equalise(model, data.train_images[:100])
    assert model.SerializeToString() == before
