"""Inference messages of the Open Inference Protocol, version 2, and their tensors, in JSON or binary.

Errors are MalformedRequest; too many images are TooLarge.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; for binary data and classification
triton-inference-server/server, docs/protocol/extension_binary_data.md and extension_classification.md.
"""

import math
import re
import struct
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE, INPUT_NAME, LABELS, OUTPUT_NAME
from service.errors import MalformedRequest
from service.http.answering import at_most, decoded, shown
from service.inference.engine import Images, Probabilities

JSON_LENGTH = "Inference-Header-Content-Length"  # the header that says where the binary data begins
BYTES = "BYTES"
DTYPES = {"UINT8": "u1", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
TAKEN = f"send {', '.join(DTYPES)} of shape [N, {IMAGE_SIDE}, {IMAGE_SIDE}], or {BYTES} of shape [N] or [N, 1]"

_SHAPES = {datatype: [(IMAGE_SIDE, IMAGE_SIDE)] for datatype in DTYPES} | {BYTES: [(), (1,)]}  # without the batch
_LENGTH = struct.Struct("<I")  # stands before each element of a binary BYTES tensor

Count = Annotated[int, msgspec.Meta(ge=0)]


class Parameters(msgspec.Struct):
    """Of a tensor or of all, by the extensions for binary data and classification; others are ignored."""

    binary_data_size: int | None = None  # of an input
    shared_memory_region: Any = None
    binary_data: bool | None = None  # of an output
    classification: Count | None = None
    binary_data_output: bool | None = None  # of all outputs that say nothing else


class Input(msgspec.Struct):
    name: str
    shape: list[Count]
    datatype: str
    parameters: Parameters | None = None
    data: list[Any] | None = None


class Output(msgspec.Struct):
    name: str
    parameters: Parameters | None = None


class Message(msgspec.Struct):
    """The JSON of an inference request."""

    inputs: list[Input]
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[Output] | None = None

    def check(self, most: int) -> None:
        """Raise MalformedRequest or TooLarge unless this is what the model takes, at most `most` images."""
        for what, tensors, name in (("inputs", self.inputs, INPUT_NAME), ("outputs", self.outputs, OUTPUT_NAME)):
            names = [tensor.name for tensor in tensors or ()]
            if names != [name] and (names or what == "inputs"):
                raise MalformedRequest(f"`{what}` are {shown(names)}: send one tensor named `{name}`.")
        [tensor] = self.inputs
        if tensor.datatype not in _SHAPES:
            raise MalformedRequest(f"`datatype` is {shown(tensor.datatype)}: {TAKEN}.")
        if not tensor.shape or tensor.shape[0] < 1 or tuple(tensor.shape[1:]) not in _SHAPES[tensor.datatype]:
            raise MalformedRequest(f"`shape` is {shown(tensor.shape)} for {tensor.datatype}: {TAKEN}.")
        at_most(tensor.shape[0], most, "images")

    @property
    def wanted(self) -> tuple[bool, int]:
        """Whether the output is to be binary, and how many classes are asked for, 0 for all probabilities."""
        asked = (self.outputs and self.outputs[0].parameters) or Parameters()
        of_all = self.parameters or Parameters()
        binary = of_all.binary_data_output if asked.binary_data is None else asked.binary_data
        return bool(binary), asked.classification or 0


def parsed(body: bytes, kind: Any) -> Any:
    """Return the JSON in `body` as `kind`, or raise MalformedRequest."""
    hint = f"correct it; if binary data follows the JSON, give the JSON's length in `{JSON_LENGTH}`"
    return decoded(body, kind, lambda why: f"The body is not a message of the protocol ({why}): {hint}.")


def split(body: bytes, json_length: str | None) -> tuple[bytes, memoryview]:
    """Return the JSON of a body and the binary data after it; `json_length` is the header that divides them."""
    if json_length is None:
        return body, memoryview(b"")
    if not re.fullmatch("[0-9]{1,10}", json_length) or int(json_length) > len(body):
        raise MalformedRequest(
            f"`{JSON_LENGTH}` is {shown(json_length)}, the body has {len(body)} bytes: give the JSON's length in bytes."
        )
    return body[: int(json_length)], memoryview(body)[int(json_length) :]


def content(tensor: Input, binary: memoryview) -> list[Any] | memoryview:
    """Return the data of the input: the list in the JSON, or the binary data after it."""
    parameters = tensor.parameters or Parameters()
    if parameters.shared_memory_region is not None:
        raise MalformedRequest("Shared memory is not supported: send the images in the body.")
    size = parameters.binary_data_size
    if (tensor.data is None) == (size is None):
        raise MalformedRequest(f"`{INPUT_NAME}` needs either `data` or `binary_data_size`: send one of them.")
    if (size or 0) != len(binary):
        raise MalformedRequest(
            f"{len(binary)} bytes follow the JSON, `binary_data_size` is {shown(size or 0)}: "
            f"correct it, or `{JSON_LENGTH}`."
        )
    return binary if tensor.data is None else tensor.data


def pixels(tensor: Input, data: list[Any] | memoryview) -> Images:
    """Return the images of a tensor of numbers, uint8 [N, 28, 28]; binary UINT8 is not copied.

    Whole numbers are grey levels from 0, background, to 255, ink; others run from 0 to 1 and are rounded to 256 levels.
    """
    dtype = np.dtype(DTYPES[tensor.datatype])
    if isinstance(data, memoryview):
        wanted = math.prod(tensor.shape) * dtype.itemsize
        if len(data) != wanted:
            raise MalformedRequest(
                f"There are {len(data)} bytes of binary data, {tensor.datatype} of shape {tensor.shape} "
                f"has {wanted}: correct one of them."
            )
        return levels(np.frombuffer(data, dtype)).reshape(tensor.shape)
    return levels(_numbers(_flat(tensor, data), dtype)).reshape(tensor.shape)


def _numbers(data: list[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    kinds = {int} if dtype.kind in "ui" else {int, float}
    if not set(map(type, data)) <= kinds:
        raise MalformedRequest(f"`data` has elements that are not numbers of its datatype: {TAKEN}.")
    try:
        with np.errstate(over="ignore"):  # becomes infinite, which is out of range
            return np.array(data, np.float64).astype(np.float32) if dtype.kind == "f" else np.array(data, np.int64)
    except OverflowError:
        raise MalformedRequest(f"`data` has numbers that are too large: {TAKEN}.") from None


def levels(values: npt.NDArray[Any]) -> Images:
    """Return whole grey levels, or numbers from 0 to 1, as uint8 of the same shape, or raise MalformedRequest."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.asarray(np.rint(values.astype(np.float32) * np.float32(255)), np.uint8)
    if low >= 0 and high <= 255 and (values.dtype.kind != "f" or (values == np.rint(values)).all()):
        return values.astype(np.uint8)
    raise MalformedRequest("Images hold whole grey levels from 0, background, to 255, ink, or run from 0 to 1.")


def elements(tensor: Input, data: list[Any] | memoryview) -> list[Any]:
    """Return the N elements of a BYTES tensor: bytes of binary data, or what the JSON has."""
    if not isinstance(data, memoryview):
        return _flat(tensor, data)
    found: list[Any] = []
    while len(found) < tensor.shape[0] and len(data) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        if end > len(data):
            break
        found.append(bytes(data[_LENGTH.size : end]))
        data = data[end:]
    if data or len(found) != tensor.shape[0]:
        raise MalformedRequest(
            f"The binary data is not a BYTES tensor of shape {tensor.shape}: "
            "write each picture as its length, 4 bytes little-endian, and its bytes."
        )
    return found


def _flat(tensor: Input, data: list[Any]) -> list[Any]:
    """Return the elements in row-major order; `data` is flat already, or nested as the shape says."""
    if data and type(data[0]) is list:
        for size in tensor.shape[1:]:
            if any(type(row) is not list or len(row) != size for row in data):
                raise MalformedRequest(f"`data` is not nested in shape {tensor.shape}: correct it, or send it flat.")
            data = list(chain.from_iterable(data))
    if len(data) != math.prod(tensor.shape):
        raise MalformedRequest(
            f"`data` has {len(data)} elements, shape {tensor.shape} has {math.prod(tensor.shape)}: correct one of them."
        )
    return data


def written(rows: Probabilities, *, binary: bool, classes: int) -> tuple[dict[str, Any], bytes]:
    """Return the output as it stands in the JSON of the answer, and the binary data after it, empty unless `binary`.

    `rows` is float32 [N, 10]. With `classes` the output is BYTES, "value:index:label" of so many of the likeliest of
    each image, with six decimals as Triton writes them.
    """
    data: Any
    if classes:
        ranking = np.argsort(-rows, axis=1, kind="stable")[:, :classes]
        data = [f"{row[i]:f}:{i}:{LABELS[i]}" for row, best in zip(rows, ranking, strict=True) for i in best]
        raw = b"".join(_LENGTH.pack(len(text)) + text.encode("ascii") for text in data) if binary else b""
    else:
        data = None if binary else rows.ravel()
        raw = rows.astype("<f4", copy=False).tobytes() if binary else b""
    shape = [len(rows), min(classes, len(LABELS)) or len(LABELS)]
    output = {"name": OUTPUT_NAME, "datatype": BYTES if classes else "FP32", "shape": shape}
    return output | ({"parameters": {"binary_data_size": len(raw)}} if binary else {"data": data}), raw
