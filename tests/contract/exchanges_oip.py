"""Requests of the Open Inference Protocol: health, metadata, inference in JSON and as binary data, its errors."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from tests.contract.exchanges import (
    JSON_LENGTH,
    MODEL,
    VERSION,
    Exchange,
    blank,
    infer,
    infer_binary,
    large,
    packed,
    post,
    post_json,
    seven,
    tensor,
    text_of,
    two,
    whole,
)

SHAPE = [1, 28, 28]
AS_TRITON = "MLServer and Triton give a list of N byte strings the shape [N, 1]"


def _levels() -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(seven())))[np.newaxis]


def about() -> Iterator[Exchange]:
    """Health, metadata, configuration, repository index."""
    paths = ["/v2", "/v2/health/live", "/v2/health/ready"]
    for model in (MODEL, f"{MODEL}/versions/{VERSION}"):
        paths += [model, f"{model}/ready", f"{model}/config"]
    for path in paths:
        yield Exchange(f"oip: GET {path}", whole("GET", path))
    for path in ("/v2/models/other", f"{MODEL}/versions/999", f"{MODEL}/versions/x/ready", "/v2/models", "/v2/"):
        yield Exchange(f"oip: GET {path}", whole("GET", path))
    index = "/v2/repository/index"
    yield Exchange("oip: index", post(index, b""))
    bodies: list[object] = [{}, {"ready": True}, {"ready": False}, {"ready": "yes"}, []]
    for fields in bodies:
        yield Exchange(f"oip: index {fields}", post_json(index, fields))
    yield Exchange("oip: load", post_json("/v2/repository/models/mnist-dmlp/load", {}))


def tensors() -> Iterator[Exchange]:
    """Images in JSON: flat or nested, of every type, with every field."""
    levels = _levels()
    both = np.concatenate([levels, levels[:, ::-1]])
    flat, nested = tensor(levels.ravel().tolist(), SHAPE), tensor(levels.tolist(), SHAPE)
    shares = tensor((levels / 255).ravel().tolist(), SHAPE, "FP32")
    pictures = tensor([text_of(seven()), text_of(two())], [2], "BYTES")
    output = {"name": "probabilities"}
    cases: dict[str, object] = {
        "flat": {"inputs": [flat]},
        "nested": {"inputs": [nested]},
        "two images": {"inputs": [tensor(both.tolist(), [2, 28, 28])]},
        "FP32": {"inputs": [shares]},
        "BYTES": {"inputs": [pictures]},
        "an id": {"id": "forty-two", "inputs": [flat]},
        "an id of letters of all kinds": {"id": "ä☃", "inputs": [flat]},
        "nulls": {"id": None, "parameters": None, "outputs": None, "inputs": [{**flat, "parameters": None}]},
        "parameters that nobody knows": {"parameters": {"a": 1}, "inputs": [{**flat, "parameters": {"b": 2}}]},
        "an output": {"inputs": [flat], "outputs": [output]},
        "classification": {"inputs": [flat], "outputs": [{**output, "parameters": {"classification": 3}}]},
        "twenty classes": {"inputs": [flat], "outputs": [{**output, "parameters": {"classification": 20}}]},
        "binary output": {"inputs": [flat], "parameters": {"binary_data_output": True}},
        "binary for one output": {"inputs": [flat], "outputs": [{**output, "parameters": {"binary_data": True}}]},
        "binary classification": {
            "inputs": [pictures],
            "outputs": [{**output, "parameters": {"classification": 2, "binary_data": True}}],
        },
    }
    for name, fields in cases.items():
        yield Exchange(f"infer: {name}", infer(fields))
    yield Exchange("infer: of a version", infer({"inputs": [flat]}, path=f"{MODEL}/versions/{VERSION}/infer"))
    yield Exchange("infer: a query that means nothing", infer({"inputs": [flat]}, path=f"{MODEL}/infer?a=b"))
    for name, data in (("flat", [text_of(seven())]), ("nested", [[text_of(seven())]])):
        fields = {"inputs": [tensor(data, [1, 1], "BYTES")]}
        yield Exchange(f"infer: BYTES of [1, 1], {name}", infer(fields), changed=AS_TRITON, right={"status": 200})


def binary() -> Iterator[Exchange]:
    """Images as binary data."""
    levels = _levels()
    floats = (levels / 255).astype("<f4")
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    yield Exchange("binary: UINT8", infer_binary(levels.tobytes(), SHAPE, "UINT8"))
    yield Exchange("binary: UINT8, binary out", infer_binary(levels.tobytes(), SHAPE, "UINT8", outputs=wanted, id="7"))
    yield Exchange("binary: FP32", infer_binary(floats.tobytes(), SHAPE, "FP32", outputs=wanted))
    yield Exchange("binary: BYTES", infer_binary(packed(seven(), two()), [2], "BYTES", outputs=wanted))
    yield Exchange("binary: twenty images", infer_binary(levels.tobytes() * 20, [20, 28, 28], "UINT8", id="many"))
    yield Exchange("binary: a picture of 100 KB", infer_binary(packed(large(100_000)), [1], "BYTES"))
    nested = infer_binary(packed(seven()), [1, 1], "BYTES")
    yield Exchange("binary: BYTES of [1, 1]", nested, changed=AS_TRITON, right={"status": 200})
    content = levels.tobytes()
    cases = {
        "too little": infer_binary(content[1:], SHAPE, "UINT8"),
        "too much": infer_binary(content + b"0", SHAPE, "UINT8"),
        "bytes for floats": infer_binary(content, SHAPE, "FP32"),
        "no numbers": infer_binary(b"\xff" * 3136, SHAPE, "FP32"),
        "fewer pictures": infer_binary(packed(seven()), [2], "BYTES"),
        "more pictures": infer_binary(packed(seven(), two()), [1], "BYTES"),
        "a picture cut off": infer_binary(packed(seven())[:-1], [1], "BYTES"),
        "a blank picture": infer_binary(packed(seven(), blank()), [2], "BYTES"),
        "JSON that is shorter": infer_binary(content, SHAPE, "UINT8", cut=1),
        "JSON that is longer": infer_binary(content, SHAPE, "UINT8", cut=-1),
        "JSON longer than the body": infer_binary(content, SHAPE, "UINT8", cut=99_999),
        "a length of letters": post(f"{MODEL}/infer", b"{}", f"{JSON_LENGTH}: x"),
        "a negative length": post(f"{MODEL}/infer", b"{}", f"{JSON_LENGTH}: -1"),
    }
    for name, sent in cases.items():
        yield Exchange(f"binary: {name}", sent)


def wrong_messages() -> Iterator[Exchange]:
    """Messages that ask for unknown things or are invalid."""
    flat = tensor(_levels().ravel().tolist(), SHAPE)
    output = {"name": "probabilities"}
    cases: dict[str, object] = {
        "no inputs": {},
        "empty inputs": {"inputs": []},
        "a list": [],
        "two inputs": {"inputs": [flat, flat]},
        "another input": {"inputs": [{**flat, "name": "digits"}]},
        "no shape": {"inputs": [{key: value for key, value in flat.items() if key != "shape"}]},
        "another shape": {"inputs": [{**flat, "shape": [1, 784]}]},
        "a negative shape": {"inputs": [{**flat, "shape": [-1, 28, 28]}]},
        "no images": {"inputs": [{**flat, "shape": [0, 28, 28], "data": []}]},
        "another datatype": {"inputs": [{**flat, "datatype": "BOOL"}]},
        "too few numbers": {"inputs": [{**flat, "data": flat["data"][1:]}]},
        "a number too large": {"inputs": [{**flat, "data": [256, *flat["data"][1:]]}]},
        "a fraction": {"inputs": [{**flat, "data": [0.5, *flat["data"][1:]]}]},
        "texts": {"inputs": [{**flat, "data": ["a"] * 784}]},
        "FP32 over 1": {"inputs": [{**flat, "datatype": "FP32", "data": [level / 100 for level in flat["data"]]}]},
        "no data": {"inputs": [{**flat, "data": None}]},
        "shared memory": {"inputs": [{**flat, "parameters": {"shared_memory_region": "a"}}]},
        "another output": {"inputs": [flat], "outputs": [{"name": "digit"}]},
        "classes below 0": {"inputs": [flat], "outputs": [{**output, "parameters": {"classification": -1}}]},
        "an id that is a number": {"id": 7, "inputs": [flat]},
        "BYTES that are no base64": {"inputs": [tensor(["@"], [1], "BYTES")]},
        "BYTES that are no picture": {"inputs": [tensor([text_of(b"hello")], [1], "BYTES")]},
        "a blank picture": {"inputs": [tensor([text_of(seven()), text_of(blank())], [2], "BYTES")]},
        "257 images": {"inputs": [tensor([""] * 257, [257], "BYTES")]},
    }
    for name, fields in cases.items():
        yield Exchange(f"wrong: {name}", infer(fields))
    yield Exchange("wrong: no JSON", post(f"{MODEL}/infer", b"{"))
    yield Exchange("wrong: nothing", post(f"{MODEL}/infer", b""))
    yield Exchange("wrong: another model", infer({"inputs": [flat]}, path="/v2/models/other/infer"))
    yield Exchange("wrong: another version", infer({"inputs": [flat]}, path=f"{MODEL}/versions/999/infer"))
    three = {"inputs": [tensor([""] * 3, [3], "BYTES")]}
    yield Exchange("wrong: three images where two are allowed", infer(three), "small")


GROUPS = (about, tensors, binary, wrong_messages)
