"""Messages of the Open Inference Protocol that are rejected, and what the errors say."""

import base64
import json
from typing import Any

import pytest
from PIL import Image
from werkzeug.test import Client

from tests import drawing
from tests.service.http.test_oip import INFER, LENGTH, packed, refusal, tensor
from tests.tensors import binary, digits


def with_input(**fields: Any) -> dict[str, Any]:
    return {"inputs": [tensor(digits(7), **fields)]}


def with_output(**parameters: Any) -> dict[str, Any]:
    return {**with_input(), "outputs": [{"name": "probabilities", "parameters": parameters}]}


ZEROS = [0] * 784


TAKEN = "send UINT8, INT64, FP16, FP32, FP64 of shape [N, 28, 28], or BYTES of shape [N] or [N, 1]"


LEVELS = "Images hold whole grey levels from 0, background, to 255, ink, or run from 0 to 1."


BAD_MESSAGES = [
    ("not an object", [], "object"),
    ("empty inputs", {"inputs": []}, "`inputs` are []: send one tensor named `images`"),
    ("inputs of another kind", {"inputs": {"name": "images"}}, "Expected `array`, got `object` - at `$.inputs`"),
    ("an input that is no object", {"inputs": [7]}, "Expected `object`, got `int` - at `$.inputs[0]`"),
    ("an unknown input", with_input(name="x"), "named `images`"),
    ("two inputs", {"inputs": [tensor(digits(7))] * 2}, "one tensor"),
    ("id of another kind", {**with_input(), "id": 7}, "got `int` - at `$.id`"),
    ("parameters of another kind", {**with_input(), "parameters": []}, "got `array` - at `$.parameters`"),
    ("no datatype", with_input(datatype=None), "`$.inputs[0].datatype`"),
    *[
        (f"datatype {name!r}", with_input(datatype=name), f"`datatype` is {name!r}: {TAKEN}.")
        for name in ("BOOL", "INT8", "INT16", "INT32", "UINT16", "UINT32", "UINT64", "BF16", "uint8", "")
    ],
    ("datatype of another kind", with_input(datatype=8), "Expected `str`, got `int` - at `$.inputs[0].datatype`"),
    ("no shape", with_input(shape=None), "`$.inputs[0].shape`"),
    ("one image without a batch", with_input(shape=[28, 28]), "`shape` is [28, 28] for UINT8: send UINT8"),
    ("a channel", with_input(shape=[1, 28, 28, 1]), "`shape` is"),
    ("flattened images", with_input(shape=[1, 784]), "`shape` is"),
    ("another size", with_input(shape=[1, 32, 32]), "`shape` is"),
    ("BYTES of an image's shape", with_input(datatype="BYTES"), "`shape` is [1, 28, 28] for BYTES"),
    ("no image", with_input(shape=[0, 28, 28], data=[]), "`shape` is"),
    ("a negative size", with_input(shape=[-1, 28, 28]), "Expected `int` >= 0 - at `$.inputs[0].shape[0]`"),
    ("a binary size that is true", with_input(parameters={"binary_data_size": True}), "got `bool`"),
    ("a size that is true", with_input(shape=[True, 28, 28]), "got `bool` - at `$.inputs[0].shape[0]`"),
    ("no data", with_input(data=None), "either `data` or `binary_data_size`"),
    ("data of another kind", with_input(data="AAAA"), "got `str` - at `$.inputs[0].data`"),
    ("data twice", with_input(parameters={"binary_data_size": 784}), "either `data` or `binary_data_size`"),
    ("shared memory", with_input(data=None, parameters={"shared_memory_region": "x"}), "Shared memory"),
    ("too few", with_input(data=ZEROS[1:]), "has 783 elements, shape [1, 28, 28] has 784"),
    ("too many", with_input(data=[*ZEROS, 0]), "has 785 elements"),
    ("nothing", with_input(data=[]), "has 0 elements"),
    ("more than the shape says", with_input(shape=[1, 28, 28], data=digits(1, 2).tolist()), "has 1568"),
    ("a level above 255", with_input(data=[256, *ZEROS[1:]]), LEVELS),
    ("a huge level", with_input(data=[10**400, *ZEROS[1:]]), "whole grey levels"),
    ("a text among levels", with_input(data=["0", *ZEROS[1:]]), TAKEN),
    ("ragged rows", with_input(data=[[[0] * 28] * 27 + [[0] * 27]]), "nested in that shape"),
    ("rows among numbers", with_input(data=[[[0] * 28] * 27 + [0]]), "nested in that shape"),
    ("nested another way", with_input(data=[[0] * 784]), "nested in that shape"),
    ("nested too deep", with_input(data=[[[[0]] * 28] * 28]), "nested in that shape"),
    ("NaN", with_input(datatype="FP32", data=[float("nan"), *ZEROS[1:]]), "JSON is malformed"),
    ("infinity", with_input(datatype="FP32", data=[float("inf"), *ZEROS[1:]]), "JSON is malformed"),
    ("what no float32 holds", with_input(datatype="FP32", data=[1e300, *ZEROS[1:]]), LEVELS),
    ("what no float64 holds", with_input(datatype="FP32", data=[10**400, *ZEROS[1:]]), "whole grey levels"),
    ("a text among floats", with_input(datatype="FP32", data=["0", *ZEROS[1:]]), TAKEN),
    ("true among floats", with_input(datatype="FP32", data=[True, *ZEROS[1:]]), TAKEN),
    ("no base64", with_input(datatype="BYTES", shape=[1], data=["@"]), "images[0]: The picture is not base64"),
    ("empty base64", with_input(datatype="BYTES", shape=[1], data=[""]), "images[0]: The picture is empty"),
    (
        "a number as picture",
        with_input(datatype="BYTES", shape=[1], data=[7]),
        "images[0]: The picture is not a string",
    ),
    ("a list as picture", with_input(datatype="BYTES", shape=[1], data=[["A"]]), "nested in that shape"),
    ("an unknown output", {**with_input(), "outputs": [{"name": "digit"}]}, "named `probabilities`"),
    ("an output that is no object", {**with_input(), "outputs": ["probabilities"]}, "got `str` - at `$.outputs[0]`"),
    ("an output twice", {**with_input(), "outputs": [{"name": "probabilities"}] * 2}, "one tensor"),
    ("binary_data of another kind", with_output(binary_data=1), "got `int` - at `$.outputs[0].parameters.binary_data`"),
    (
        "classification of another kind",
        with_output(classification=True),
        "got `bool` - at `$.outputs[0].parameters.classification`",
    ),
    (
        "classification below 0",
        with_output(classification=-1),
        "Expected `int` >= 0 - at `$.outputs[0].parameters.classification`",
    ),
    (
        "binary_data_output of another kind",
        {**with_input(), "parameters": {"binary_data_output": "x"}},
        "got `str` - at `$.parameters.binary_data_output`",
    ),
]


@pytest.mark.parametrize(("message", "said"), [row[1:] for row in BAD_MESSAGES], ids=[row[0] for row in BAD_MESSAGES])
def test_bad_message(client: Client, message: Any, said: str) -> None:
    status, code, sentence = refusal(client.post(INFER, json=message))
    assert (status, code) == (400, "malformed_request")
    assert said in sentence


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b"1" * 5000,
        b'{"id": "\\ud800", "inputs": []}',
    ],
    ids=["nothing", "cut off", "no text", "null", "deep", "deep and whole", "a long number", "half a character"],
)
def test_no_message(client: Client, text: bytes) -> None:
    assert refusal(client.post(INFER, data=text))[:2] == (400, "malformed_request")


def test_errors_quote_little_of_the_request(client: Client) -> None:
    for message in ({"inputs": [["x" * 1000] * 10] * 10}, with_input(shape=[10**4000, 28, 28])):
        status, _, sentence = refusal(client.post(INFER, json=message))
        assert status in (400, 413)
        assert len(sentence) < 300


IMAGE = bytes(784)


BAD_BINARY = [
    ("a header of many digits", binary(IMAGE, [1, 28, 28])[0], {LENGTH: "9" * 5000}, "give the JSON's length in bytes"),
    ("an underscore", binary(IMAGE, [1, 28, 28])[0], {LENGTH: "1_0"}, "is '1_0'"),
    ("no header", binary(IMAGE, [1, 28, 28])[0], {}, "give the JSON's length in `Inference-Header-Content-Length`"),
    ("a header of letters", *binary(IMAGE, [1, 28, 28])[:1], {LENGTH: "x"}, "is 'x', the body has"),
    ("a negative header", *binary(IMAGE, [1, 28, 28])[:1], {LENGTH: "-1"}, "give the JSON's length in bytes"),
    ("a header that is too large", *binary(IMAGE, [1, 28, 28])[:1], {LENGTH: "99999"}, "the body has"),
    ("a header that is too small", *binary(IMAGE, [1, 28, 28])[:1], {LENGTH: "10"}, "not a message of the protocol"),
    ("NaN", *binary(b"\xff" * 3136, [1, 28, 28], "FP32"), LEVELS),
    ("signalling NaN", *binary(b"\x01\x00\x80\x7f" * 784, [1, 28, 28], "FP32"), LEVELS),
    ("fewer pictures", *binary(packed(b"abc"), [2], "BYTES"), "not a BYTES tensor of shape [2]"),
    ("more pictures", *binary(packed(b"abc", b"d"), [1], "BYTES"), "not a BYTES tensor of shape [1]"),
    ("a picture cut off", *binary(packed(b"abc")[:-1], [1], "BYTES"), "4 bytes little-endian"),
    ("a length cut off", *binary(b"\x00\x00", [1], "BYTES"), "4 bytes little-endian"),
    ("no picture", *binary(b"", [1], "BYTES"), "4 bytes little-endian"),
]


@pytest.mark.parametrize(
    ("body", "header", "said"), [row[1:] for row in BAD_BINARY], ids=[row[0] for row in BAD_BINARY]
)
def test_bad_binary(client: Client, body: bytes, header: dict[str, str], said: str) -> None:
    status, code, sentence = refusal(client.post(INFER, data=body, headers=header))
    assert (status, code) == (400, "malformed_request")
    assert said in sentence


@pytest.mark.parametrize(("size", "actual"), [(784, 700), (700, 784), (-784, 784), (10**30, 784), (784, 0)])
def test_binary_data_shorter_or_longer_than_declared(client: Client, size: int, actual: int) -> None:
    image = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": size}}
    text = json.dumps({"inputs": [image]}).encode()
    response = client.post(INFER, data=text + bytes(actual), headers={LENGTH: str(len(text))})
    assert refusal(response)[:2] == (400, "malformed_request")
    assert f"{actual} bytes follow the JSON" in refusal(response)[2]


@pytest.mark.parametrize(("datatype", "shape"), [("UINT8", [5, 28, 28]), ("FP32", [5, 28, 28]), ("BYTES", [5])])
def test_more_images_than_allowed(client: Client, datatype: str, shape: list[int]) -> None:
    body, header = binary(b"", shape, datatype)
    status, code, sentence = refusal(client.post(INFER, data=body, headers=header))
    assert (status, code) == (413, "too_large")
    assert sentence == "There are 5 images, 4 are allowed: send the rest in another request."


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [
        (b"hello", 415, "unsupported_image"),
        (drawing.png()[:100], 422, "unreadable_image"),
        (drawing.encode(Image.new("L", (50, 50))), 422, "no_digit"),
        (drawing.encode(Image.new("RGB", (1001, 1000))), 413, "too_large"),
    ],
)
def test_the_error_names_the_unreadable_picture(client: Client, bad: bytes, status: int, code: str) -> None:
    body, header = binary(packed(drawing.png(), bad), [2], "BYTES")
    texts = [base64.b64encode(file).decode() for file in (drawing.png(), bad)]
    in_json = {"name": "images", "shape": [2], "datatype": "BYTES", "data": texts}
    for response in (client.post(INFER, data=body, headers=header), client.post(INFER, json={"inputs": [in_json]})):
        assert refusal(response)[:2] == (status, code)
        assert refusal(response)[2].startswith("images[1]: ")
