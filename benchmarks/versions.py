"""Versions whose answers differ: the published model with scaled logits."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from msgspec.structs import replace
from onnx import numpy_helper

from benchmarks.pictures.reader import newest_version
from service.contract import FLOAT32_FILE, INT8_FILE, FileRecord, Manifest
from service.inference.engine import Engine, self_test_inputs
from tests.server import ROOT
from tests.tensors import digits


def prepare(directory: Path, number: int) -> list[float]:
    """Write the files of version `number` and return its ten probabilities for the 7 of `tests.tensors`.

    float32 is a hard link, because a CPU serves int8.
    """
    source = newest_version(ROOT / "models")
    manifest = Manifest.read(source)
    directory.mkdir(parents=True)
    content = with_scaled_logits((source / INT8_FILE).read_bytes(), 0.25 + 0.002 * number)
    (directory / INT8_FILE).write_bytes(content)
    if number == 1:
        shutil.copy(source / FLOAT32_FILE, directory)
    else:
        os.link(directory.parent / "1" / FLOAT32_FILE, directory / FLOAT32_FILE)
    engine, test = Engine.open(content, file=INT8_FILE), manifest.self_test
    probabilities = engine.run(self_test_inputs(test.seed, test.count)).tolist()
    replace(
        manifest,
        version=str(number),
        files={**manifest.files, INT8_FILE: FileRecord(hashlib.sha256(content).hexdigest(), len(content))},
        self_test=replace(test, expected={**test.expected, INT8_FILE: probabilities}),
    ).write(directory)
    return engine.run(digits(7))[0].tolist()


def with_scaled_logits(model: bytes, factor: float) -> bytes:
    """Return the graph with its logits multiplied by `factor`."""
    proto = onnx.load_from_string(model)
    [softmax] = [node for node in proto.graph.node if node.op_type == "Softmax"]
    [scaling] = [node for node in proto.graph.node if node.output[0] == softmax.input[0]]
    [constant] = [tensor for tensor in proto.graph.initializer if tensor.name in scaling.input]
    constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant) * np.float32(factor), constant.name))
    return bytes(proto.SerializeToString())


def copying(prepared: Path) -> Callable[[Path, str], None]:
    """Return a function for `publish` that links the prepared files of a version."""

    def write(directory: Path, version: str) -> None:
        for path in (prepared / version).iterdir():
            (directory / path.name).unlink(missing_ok=True)
            os.link(path, directory / path.name)

    return write
