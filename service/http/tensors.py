"""`POST /v2/.../infer`: inference messages of the Open Inference Protocol, version 2, in JSON or binary.

And `POST /v1/models/NAME:predict`, of the older protocol of KServe and TensorFlow Serving.

Errors are MalformedRequest; too many images are TooLarge.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; for binary data and classification
triton-inference-server/server, docs/protocol/extension_binary_data.md and extension_classification.md;
for /v1 kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol.
"""

import math
import re
import struct
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE, INPUT_NAME, LABELS, OUTPUT_NAME, Manifest
from service.errors import MalformedRequest, NoDigit
from service.http.answering import NO_SNIFFING, Question, Request, Response, at_most, attempt, shown, to_json
from service.http.predict import Options, decoded, picture_in, prediction
from service.inference.engine import Images, Probabilities
from service.settings import Settings

JSON_LENGTH = "Inference-Header-Content-Length"  # the header that says where the binary data begins
BYTES = "BYTES"
DTYPES = {"UINT8": "u1", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
TAKEN = f"send {', '.join(DTYPES)} of shape [N, {IMAGE_SIDE}, {IMAGE_SIDE}], or {BYTES} of shape [N] or [N, 1]"

_SHAPES = {datatype: [(IMAGE_SIDE, IMAGE_SIDE)] for datatype in DTYPES} | {BYTES: [(), (1,)]}  # without the batch
_LENGTH = struct.Struct("<I")  # stands before each element of a binary BYTES tensor

_INSTANCES = f'send {{"instances": [...]}} of {IMAGE_SIDE} x {IMAGE_SIDE} grey levels, or of {{"b64": "<picture>"}}'

Count = Annotated[int, msgspec.Meta(ge=0)]
Side = msgspec.Meta(min_length=IMAGE_SIDE, max_length=IMAGE_SIDE)
Levels = Annotated[list[Annotated[list[float], Side]], Side]


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


@dataclass
class Inference(Question):
    """Images, or encoded pictures, in a message."""

    message: Message
    list_name = INPUT_NAME

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        """Return the output tensor; binary data follows the JSON."""
        binary, classes = self.message.wanted
        output, raw = written(probabilities, binary=binary, classes=classes)
        given = {} if self.message.id is None else {"id": self.message.id}
        named = {"model_name": manifest.name, "model_version": manifest.version}
        text = to_json({**named, **given, "outputs": [output]})
        if not binary:
            return Response(text)
        kind = ("Content-Type", "application/octet-stream")
        return Response(text + raw, (kind, (JSON_LENGTH, str(len(text))), NO_SNIFFING))


def read(request: Request, settings: Settings) -> Inference:
    """Parse a request: tensors of numbers are the model's own input, BYTES are read as `/predict` does."""
    request.parameters()
    text, binary = _split(request.body, request.headers.get(JSON_LENGTH.lower()))
    hint = f"correct it; if binary data follows the JSON, give the JSON's length in `{JSON_LENGTH}`"
    message: Message = decoded(text, Message, "a message of the protocol", hint)
    message.check(settings.max_batch)
    [tensor] = message.inputs
    elements = _elements(tensor, binary)
    if tensor.datatype == BYTES:
        return Inference(elements, message)
    return Inference([], message, images=levels(elements).reshape(tensor.shape))


def _split(body: bytes, json_length: str | None) -> tuple[bytes, memoryview]:
    """Return the JSON of a body and the binary data after it; `json_length` is the header that divides them."""
    if json_length is None:
        return body, memoryview(b"")
    if not re.fullmatch("[0-9]{1,10}", json_length) or int(json_length) > len(body):
        raise MalformedRequest(
            f"`{JSON_LENGTH}` is {shown(json_length)}, the body has {len(body)} bytes: give the JSON's length in bytes."
        )
    return body[: int(json_length)], memoryview(body)[int(json_length) :]


def _elements(tensor: Input, binary: memoryview) -> Any:
    """Return the elements of the input: an array of numbers, or a list of pictures."""
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
    if tensor.data is not None:
        return _of_json(tensor, tensor.data)
    return _unpacked(tensor, binary) if tensor.datatype == BYTES else _of_binary(tensor, binary)


def _of_binary(tensor: Input, binary: memoryview) -> npt.NDArray[Any]:
    dtype = np.dtype(DTYPES[tensor.datatype])
    wanted = math.prod(tensor.shape) * dtype.itemsize
    if len(binary) != wanted:
        raise MalformedRequest(
            f"There are {len(binary)} bytes of binary data, {tensor.datatype} of shape {tensor.shape} "
            f"has {wanted}: correct one of them."
        )
    return np.frombuffer(binary, dtype)


def _unpacked(tensor: Input, binary: memoryview) -> list[bytes]:
    """Return the pictures in a binary BYTES tensor."""
    found, end = [], 0
    for _ in range(tensor.shape[0]):
        start = end + _LENGTH.size
        end = start + int.from_bytes(binary[end:start], "little")
        found.append(bytes(binary[start:end]))
    if end != len(binary):
        raise MalformedRequest(
            f"The binary data is not a BYTES tensor of shape {tensor.shape}: "
            "write each picture as its length, 4 bytes little-endian, and its bytes."
        )
    return found


def _of_json(tensor: Input, data: list[Any]) -> Any:
    """Return the elements of `data`, which is flat or nested, in row-major order."""
    array = np.array(data, object)
    if array.size != math.prod(tensor.shape) or array.shape not in (tuple(tensor.shape), (array.size,)):
        raise MalformedRequest(
            f"`data` has {array.size} elements, shape {tensor.shape} has {math.prod(tensor.shape)}: "
            "send these, flat or nested in that shape."
        )
    elements = array.ravel().tolist()
    if tensor.datatype == BYTES:
        return [attempt(picture_in, element) for element in elements]
    whole = np.dtype(DTYPES[tensor.datatype]).kind in "ui"
    if not set(map(type, elements)) <= ({int} if whole else {int, float}):
        raise MalformedRequest(f"`data` has elements that are not numbers of its datatype: {TAKEN}.")
    return np.clip(array, -1, 256).astype(np.int64 if whole else np.float64)  # what is out of range stays so


def levels(values: npt.NDArray[Any]) -> Images:
    """Return whole grey levels, or numbers from 0 to 1, as uint8 of the same shape, or raise MalformedRequest.

    Whole numbers are grey levels from 0, background, to 255, ink; others run from 0 to 1 and are rounded to 256 levels.
    Binary UINT8 is not copied.
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.asarray(np.rint(values.astype(np.float32) * np.float32(255)), np.uint8)
    if low >= 0 and high <= 255 and (values.dtype.kind != "f" or (values == np.rint(values)).all()):
        return values.astype(np.uint8)
    raise MalformedRequest("Images hold whole grey levels from 0, background, to 255, ink, or run from 0 to 1.")


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


class Encoded(msgspec.Struct):
    b64: str


class Instances(msgspec.Struct):
    """The JSON of a `/v1` request."""

    instances: Annotated[list[Encoded | Levels], msgspec.Meta(min_length=1)]


@dataclass
class Predictions(Question):
    """The images or encoded pictures of a `/v1` request."""

    list_name = "instances"

    def answer(self, manifest: Manifest, probabilities: Probabilities) -> Response:
        return Response(to_json({"predictions": [self._one(*each, manifest) for each in enumerate(probabilities)]}))

    def _one(self, index: int, row: Probabilities, manifest: Manifest) -> dict[str, Any]:
        try:
            return prediction(row, None, manifest, Options())
        except NoDigit as error:
            raise self.named(index, error) from error


def read_instances(request: Request, settings: Settings) -> Predictions:
    """Parse a `/v1` request."""
    request.parameters()
    instances = decoded(request.body, Instances, "a /v1 request", _INSTANCES).instances
    at_most(len(instances), settings.max_batch)
    pictures = [attempt(picture_in, instance.b64) for instance in instances if isinstance(instance, Encoded)]
    if not pictures:
        return Predictions([], images=levels(np.array(instances, np.float64)))
    if len(pictures) < len(instances):
        raise MalformedRequest(f"`instances` mixes two kinds: {_INSTANCES}.")
    return Predictions([*pictures])
