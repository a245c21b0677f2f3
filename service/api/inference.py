"""The message of an inference in the Open Inference Protocol, version 2: what a request asks for.

A message is JSON, and perhaps binary data after it, whose length the JSON says. What is read here is laid down in
kserve/open-inference-protocol, specification/protocol/inference_rest.md, and for binary data and classification in
triton-inference-server/server, docs/protocol/extension_*.md.
"""

import json
import re
import reprlib
from dataclasses import dataclass
from typing import Any, TypeVar

from service.api.tensors import DATATYPES, TAKEN, Tensor
from service.contract import INPUT_NAME, OUTPUT_NAME
from service.errors import MalformedRequest, TooLarge

JSON_LENGTH = "Inference-Header-Content-Length"  # the header that says where the binary data begins

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    list: "a list",
    dict: "an object",
}

T = TypeVar("T")

_repr = reprlib.Repr()
_repr.maxlevel = 2


@dataclass(frozen=True)
class Inference:
    """A request: its `id`, if any, its images, and whether the answer is `binary`, or the likeliest `classes`."""

    id: str | None
    images: Tensor
    binary: bool
    classes: int


def read_inference(body: bytes, json_length: str | None, *, most: int) -> Inference:
    """Read the body of a request; `json_length` is the header of that name, `most` the largest batch.

    Raises:
        MalformedRequest: it is no message of the protocol, or the images are not such as the model takes.
        TooLarge: there are more than `most` images.
    """
    length = _json_length(body, json_length)
    fields = read_fields(body[:length])
    images = _images(fields, memoryview(body)[length:])
    _check(images, most)
    binary, classes = _output(fields)
    return Inference(_field(fields, "id", str), images, binary, classes)


def read_fields(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`.

    Raises:
        MalformedRequest: it holds something else.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest(
            f"The body is no JSON: check it; if binary data follows the JSON, give its length in `{JSON_LENGTH}`."
        ) from None
    if type(fields) is not dict:
        raise MalformedRequest("The JSON is no object: send one with the fields of the protocol.")
    return fields


def flag(fields: dict[str, Any], name: str) -> bool | None:
    """Return an optional true or false, None where it is absent or null.

    Raises:
        MalformedRequest: it is something else.
    """
    return _field(fields, name, bool)


def shown(value: object) -> str:
    """Return what a client sent as it may stand in a sentence of ours: escaped, and cut short."""
    return _repr.repr(value)


def _json_length(body: bytes, header: str | None) -> int:
    if header is None:
        return len(body)
    if not re.fullmatch("[0-9]{1,10}", header) or int(header) > len(body):
        raise MalformedRequest(
            f"`{JSON_LENGTH}` is {shown(header)}, the body has {len(body)} bytes: give the length of the JSON in bytes."
        )
    return int(header)


def _field(fields: dict[str, Any], name: str, kind: type[T]) -> T | None:
    """Return a field, None where it is absent; clients that write every field send null."""
    value = fields.get(name)
    if value is None or type(value) is kind:
        return value
    raise MalformedRequest(f"`{name}` is {shown(value)}: send {_KINDS[kind]}.")


def _only(fields: dict[str, Any], name: str, tensor: str) -> dict[str, Any] | None:
    """Return the one tensor in a list of them, None where the list is absent or empty."""
    found = _field(fields, name, list)
    if not found:
        return None
    if len(found) > 1 or type(found[0]) is not dict or found[0].get("name") != tensor:
        raise MalformedRequest(f"`{name}` is {shown(found)}: send one tensor, named `{tensor}`.")
    return found[0]


def _images(fields: dict[str, Any], binary: memoryview) -> Tensor:
    tensor = _only(fields, "inputs", INPUT_NAME)
    if tensor is None:
        raise MalformedRequest(f"There are no `inputs`: send one tensor, named `{INPUT_NAME}`.")
    shape = _field(tensor, "shape", list) or []
    if not all(type(size) is int and size >= 0 for size in shape):
        raise MalformedRequest(f"`shape` is {shown(shape)}: {TAKEN}.")
    return Tensor(_field(tensor, "datatype", str) or "", tuple(shape), _content(tensor, binary))


def _content(tensor: dict[str, Any], binary: memoryview) -> list[Any] | memoryview:
    parameters = _field(tensor, "parameters", dict) or {}
    if "shared_memory_region" in parameters:
        raise MalformedRequest("Shared memory is not read here: send the images in the body.")
    data, size = _field(tensor, "data", list), _field(parameters, "binary_data_size", int)
    if (data is None) == (size is None):
        raise MalformedRequest(f"`{INPUT_NAME}` has to have either `data` or `binary_data_size`: send one of them.")
    if (size or 0) != len(binary):
        raise MalformedRequest(
            f"{len(binary)} bytes follow the JSON, `binary_data_size` makes it {shown(size or 0)}: "
            f"set it, and `{JSON_LENGTH}` to the length of the JSON."
        )
    return binary if data is None else data


def _check(tensor: Tensor, most: int) -> None:
    if tensor.datatype not in DATATYPES:
        raise MalformedRequest(f"`datatype` is {shown(tensor.datatype)}: {TAKEN}.")
    if not tensor.shape or tensor.shape[0] < 1 or tensor.shape[1:] != DATATYPES[tensor.datatype]:
        raise MalformedRequest(f"`shape` is {shown(list(tensor.shape))} for {tensor.datatype}: {TAKEN}.")
    if tensor.shape[0] > most:
        raise TooLarge(
            f"There are {shown(tensor.shape[0])} images, allowed are {most}: send the rest in another request."
        )


def _output(fields: dict[str, Any]) -> tuple[bool, int]:
    """Return whether the output is to be binary, and how many classes are asked for, 0 for all probabilities."""
    output = _only(fields, "outputs", OUTPUT_NAME) or {}
    parameters = _field(output, "parameters", dict) or {}
    binary = flag(parameters, "binary_data")
    if binary is None:
        binary = flag(_field(fields, "parameters", dict) or {}, "binary_data_output") or False
    classes = _field(parameters, "classification", int) or 0
    if classes < 0:
        raise MalformedRequest(f"`classification` is {shown(classes)}: send how many classes you want.")
    return binary, classes
