"""Tensors as the Open Inference Protocol sends them: in JSON, or as binary data; `inference.py` has the sources."""

import math
import struct
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from service import answers
from service.contract import IMAGE_SIDE, LABELS, OUTPUT_NAME
from service.errors import MalformedRequest
from service.inference.engine import Images, Probabilities

_IMAGE = (IMAGE_SIDE, IMAGE_SIDE)
DATATYPES: dict[str, tuple[int, ...]] = {"UINT8": _IMAGE, "FP32": _IMAGE, "BYTES": ()}  # and the shape of one image
TAKEN = f"send UINT8 or FP32 of shape [N, {IMAGE_SIDE}, {IMAGE_SIDE}], or BYTES of shape [N]"

_BINARY_DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
_JSON_TYPES: dict[str, set[type]] = {"UINT8": {int}, "FP32": {int, float}}
_LENGTH = struct.Struct("<I")  # stands before each element of a BYTES tensor


@dataclass(frozen=True)
class Tensor:
    """The images of a request: `content` is the list that stood in the JSON, or the binary data after it."""

    datatype: str
    shape: tuple[int, ...]
    content: list[Any] | memoryview


def pixels(tensor: Tensor) -> Images:
    """Return the images of a UINT8 or FP32 tensor, uint8 [N, 28, 28]; binary UINT8 is not copied.

    FP32 runs from 0, background, to 1, ink, and is rounded to the 256 levels that the model takes.

    Raises:
        MalformedRequest: the data does not fill the shape, or a value is out of range.
    """
    content = tensor.content
    values = _from_binary(tensor, content) if isinstance(content, memoryview) else _from_json(tensor)
    return (_levels(values) if tensor.datatype == "FP32" else values).reshape(tensor.shape)


def elements(tensor: Tensor) -> list[Any]:
    """Return the N elements of a BYTES tensor: bytes where it came as binary data, what stood in the JSON else.

    Raises:
        MalformedRequest: there are more or fewer than N.
    """
    if not isinstance(tensor.content, memoryview):
        return _flat(tensor)
    found: list[Any] = []
    rest = tensor.content
    while len(found) < tensor.shape[0] and len(rest) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
        if end > len(rest):
            break
        found.append(bytes(rest[_LENGTH.size : end]))
        rest = rest[end:]
    if rest or len(found) != tensor.shape[0]:
        raise MalformedRequest(
            f"The binary data is no BYTES tensor of shape {list(tensor.shape)}: "
            "write each picture as its length, 4 bytes little-endian, and its bytes."
        )
    return found


def write_output(probabilities: Probabilities, *, binary: bool, classes: int) -> tuple[dict[str, Any], bytes]:
    """Return the output as it stands in the JSON of the answer, and the binary data after it, empty unless `binary`.

    `probabilities` is float32 [N, 10]. With `classes` the output is the so many likeliest of each image, BYTES.
    """
    data: list[Any]
    if classes:
        data, datatype = _classification(probabilities, classes), "BYTES"
        content = b"".join(_LENGTH.pack(len(text)) + text.encode("ascii") for text in data) if binary else b""
    else:
        data, datatype = [] if binary else answers.decimals(probabilities.ravel()), "FP32"
        content = probabilities.astype("<f4", copy=False).tobytes() if binary else b""
    columns = min(classes, len(LABELS)) or len(LABELS)
    output = {"name": OUTPUT_NAME, "datatype": datatype, "shape": [len(probabilities), columns]}
    return output | ({"parameters": {"binary_data_size": len(content)}} if binary else {"data": data}), content


def _from_binary(tensor: Tensor, content: memoryview) -> npt.NDArray[Any]:
    dtype = _BINARY_DTYPES[tensor.datatype]
    wanted = math.prod(tensor.shape) * dtype.itemsize
    if len(content) != wanted:
        raise MalformedRequest(
            f"{len(content)} bytes of binary data came, {tensor.datatype} of shape {list(tensor.shape)} "
            f"takes {wanted}: mend the one or the other."
        )
    found: npt.NDArray[Any] = np.frombuffer(content, dtype)
    return found


def _from_json(tensor: Tensor) -> npt.NDArray[Any]:
    data = _flat(tensor)
    what = "whole numbers from 0 to 255" if tensor.datatype == "UINT8" else "numbers from 0 to 1"
    refusal = MalformedRequest(f"`data` holds something else than {what}: {TAKEN}.")
    if not set(map(type, data)) <= _JSON_TYPES[tensor.datatype]:
        raise refusal
    try:
        if tensor.datatype == "UINT8":
            return np.array(data, np.uint8)
        with np.errstate(over="ignore"):  # it becomes infinite, and is refused with what else is above 1
            return np.array(data, np.float64).astype(np.float32)
    except OverflowError:
        raise refusal from None


def _levels(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    if not (values.min() >= 0 and values.max() <= 1):  # written so that NaN fails
        raise MalformedRequest("FP32 images run from 0, background, to 1, ink: divide by 255, or send UINT8.")
    levels: npt.NDArray[np.uint8] = np.rint(values * np.float32(255)).astype(np.uint8)
    return levels


def _flat(tensor: Tensor) -> list[Any]:
    """Return the elements in row-major order; `content` is a flat list already, or nested as the shape says."""
    data = list(tensor.content)
    if data and type(data[0]) is list:
        for size in tensor.shape[1:]:
            if any(type(row) is not list or len(row) != size for row in data):
                raise MalformedRequest(f"`data` is not nested as shape {list(tensor.shape)} says: send it so, or flat.")
            data = list(chain.from_iterable(data))
    if len(data) != math.prod(tensor.shape):
        raise MalformedRequest(
            f"`data` holds {len(data)} elements, shape {list(tensor.shape)} takes {math.prod(tensor.shape)}: "
            "mend the one or the other."
        )
    return data


def _classification(probabilities: Probabilities, count: int) -> list[str]:
    """Return "value:index:label" of the likeliest, image by image; six decimals, as Triton writes them."""
    ranking = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        f"{row[index]:f}:{index}:{LABELS[index]}"
        for row, indices in zip(probabilities, ranking, strict=True)
        for index in indices
    ]
