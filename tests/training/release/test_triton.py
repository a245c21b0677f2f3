"""Triton's files against its schema, the published graphs, and the service's answers."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2 as schema

from service.contract import FLOAT32_FILE, LABELS, MODEL_NAME, Manifest
from service.settings import Settings
from tests import door
from training.release import triton

PUBLISHED = Path(__file__).parents[3] / "models" / MODEL_NAME
VERSIONS = sorted((path for path in PUBLISHED.iterdir() if path.is_dir()), key=lambda path: int(path.name))
ONNX_TYPES = {schema.TYPE_UINT8: onnx.TensorProto.UINT8, schema.TYPE_FP32: onnx.TensorProto.FLOAT}


def parsed(text: str) -> Any:
    """Return the text as Triton's `ModelConfig`; unknown fields are an error."""
    return text_format.Parse(text, schema.ModelConfig())


CONFIG = parsed(triton.config(MODEL_NAME))


def test_repository_files_are_those_that_training_writes() -> None:
    assert (PUBLISHED / triton.CONFIG_FILE).read_text(encoding="ascii") == triton.config(MODEL_NAME)
    assert (PUBLISHED / triton.LABELS_FILE).read_text(encoding="ascii") == triton.labels()


def test_names_the_directory_and_a_file_of_each_version() -> None:
    assert PUBLISHED.name == CONFIG.name
    assert VERSIONS
    for version in VERSIONS:
        assert CONFIG.default_model_filename in Manifest.read(version).files
        assert (version / CONFIG.default_model_filename).is_file()


def signature(values: Any) -> list[tuple[str, int, list[int], bool]]:
    """Return name, type and shape of each tensor of an ONNX graph, and whether its batch size is dynamic."""
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]
    return [
        (value.name, value.type.tensor_type.elem_type, shape[1:], shape[0] == 0)
        for value, shape in zip(values, shapes, strict=True)
    ]


@pytest.mark.parametrize(
    "path", [path for version in VERSIONS for path in version.glob("*.onnx")], ids=lambda p: p.name
)
def test_inputs_and_outputs_are_those_of_the_published_graphs(path: Path) -> None:
    """Triton rejects a model whose tensors differ from its configuration; the int8 file may replace the other."""
    graph = onnx.load(str(path)).graph
    for tensors, values in ((CONFIG.input, graph.input), (CONFIG.output, graph.output)):
        described = [(tensor.name, ONNX_TYPES[tensor.data_type], list(tensor.dims), True) for tensor in tensors]
        assert described == signature(values)


def test_the_warm_up_is_a_request_that_the_graph_takes() -> None:
    session = ort.InferenceSession(str(VERSIONS[-1] / FLOAT32_FILE), providers=["CPUExecutionProvider"])
    [warm_up] = CONFIG.model_warmup
    feeds = {name: np.zeros([warm_up.batch_size, *told.dims], np.uint8) for name, told in warm_up.inputs.items()}
    assert {told.data_type for told in warm_up.inputs.values()} == {schema.TYPE_UINT8}
    assert session.run(None, feeds)[0].shape == (1, len(LABELS))


def test_the_service_describes_the_same_model() -> None:
    """Except for the version policy: the service names the served version, Triton is told to take the newest."""
    client = door.client_for(Settings(models_dir=PUBLISHED.parent, provider="cpu"))
    answer = client.get(f"/v2/models/{MODEL_NAME}/config").get_json()
    assert answer.pop("version_policy") == {"specific": {"versions": [int(VERSIONS[-1].name)]}}
    assert CONFIG.version_policy.latest.num_versions == 1
    described = json_format.ParseDict(answer, schema.ModelConfig())
    for field, value in described.ListFields():
        assert getattr(CONFIG, field.name) == value, field.name


def test_labels_stand_in_the_order_of_the_probabilities() -> None:
    assert CONFIG.output[0].label_filename == triton.LABELS_FILE
    assert triton.labels().splitlines() == list(LABELS)


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_both_files_are_written_for_all_to_read(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        triton.write(tmp_path / "models" / "other", "other")
    finally:
        os.umask(before)
    written = {path.name: path for path in (tmp_path / "models" / "other").iterdir()}
    assert written.keys() == {triton.CONFIG_FILE, triton.LABELS_FILE}
    assert {path.stat().st_mode & 0o777 for path in written.values()} == {0o644}
    assert parsed(written[triton.CONFIG_FILE].read_text()).name == "other"


def test_edited_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / triton.CONFIG_FILE).write_text("name: 'mine'")
    triton.write(tmp_path, MODEL_NAME)
    assert (tmp_path / triton.CONFIG_FILE).read_text() == "name: 'mine'"
    assert (tmp_path / triton.LABELS_FILE).is_file()


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        triton.write(tmp_path, MODEL_NAME)
    assert list(tmp_path.iterdir()) == []
