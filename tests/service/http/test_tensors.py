"""Tensors of every datatype, in JSON and binary."""

import base64
import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from werkzeug.test import Client

from service.errors import MalformedRequest
from service.http import tensors
from service.http.answering import Request
from service.http.tensors import DTYPES
from service.settings import Settings
from tests import drawing
from tests.tensors import binary

INFER = "/v2/models/mnist-dmlp/infer"
FLOATS = ("FP16", "FP32", "FP64")


def in_json(values: Any, datatype: str, shape: list[int] | None = None) -> bytes:
    data = values.tolist() if isinstance(values, np.ndarray) else values
    tensor = {
        "name": "images",
        "datatype": datatype,
        "shape": list(values.shape) if shape is None else shape,
        "data": data,
    }
    return json.dumps({"inputs": [tensor]}).encode()


def images_in(body: bytes, length: str | None = None) -> Any:
    """Return what is read from a message, uint8 [N, 28, 28]."""
    headers = {} if length is None else {tensors.JSON_LENGTH.lower(): length}
    return tensors.read(Request(body, headers), Settings()).images


def in_binary(values: npt.NDArray[Any], datatype: str) -> Any:
    body, header = binary(values.astype(DTYPES[datatype]).tobytes(), list(values.shape), datatype)
    return images_in(body, header[tensors.JSON_LENGTH])


ALL_LEVELS = np.resize(np.arange(256, dtype=np.uint8), (2, 28, 28))


@pytest.mark.parametrize("datatype", DTYPES)
def test_whole_grey_levels_are_those_of_every_datatype(datatype: str) -> None:
    values = ALL_LEVELS.astype(DTYPES[datatype])
    for found in (
        in_binary(values, datatype),
        images_in(in_json(values, datatype)),
        images_in(in_json(values.ravel(), datatype, [2, 28, 28])),
    ):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, ALL_LEVELS)


@pytest.mark.parametrize("datatype", FLOATS)
def test_floats_from_0_to_1_are_scaled(datatype: str) -> None:
    values = (ALL_LEVELS / 255).astype(DTYPES[datatype])
    for found in (in_binary(values, datatype), images_in(in_json(values, datatype))):
        np.testing.assert_array_equal(found, ALL_LEVELS)


@pytest.mark.parametrize("datatype", DTYPES)
def test_a_blank_and_a_single_1(datatype: str) -> None:
    """In integers 1 is almost background; in floats up to 1 it is ink."""
    values = np.zeros((1, 28, 28))
    np.testing.assert_array_equal(in_binary(values, datatype), values)
    values[0, 3, 4] = 1
    assert in_binary(values, datatype).max() == images_in(in_json(values.astype(DTYPES[datatype]), datatype)).max()
    assert in_binary(values, datatype).max() == (255 if datatype in FLOATS else 1)


@pytest.mark.parametrize("bad", [-1.0, 256.0, 254.5, -0.01, 1.5, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("datatype", FLOATS)
def test_floats_outside_both_ranges(datatype: str, bad: float) -> None:
    values = np.zeros((1, 28, 28))
    values[0, 0, 0] = bad
    values[0, 1, 1] = 200  # beside a whole level
    with pytest.raises(MalformedRequest, match="whole grey levels"):
        in_binary(values, datatype)
    values[0, 1, 1] = 0
    with pytest.raises(MalformedRequest, match="whole grey levels"):
        in_binary(values, datatype)


@pytest.mark.parametrize("bad", [-1, 256, 2**31, -(2**63), 2**63 - 1])
def test_whole_numbers_out_of_range(bad: int) -> None:
    values = np.zeros((1, 28, 28), np.int64)
    values[0, 0, 0] = bad
    with pytest.raises(MalformedRequest, match="whole grey levels"):
        in_binary(values, "INT64")
    for datatype in ("INT64", "UINT8"):
        with pytest.raises(MalformedRequest):
            images_in(in_json(values, datatype))


@pytest.mark.parametrize("bad", [2**63, 2**64, 10**30, 0.5, 1.0, "1", True, None, [1], {}])
@pytest.mark.parametrize("datatype", ["INT64", "UINT8"])
def test_non_integers_are_rejected(datatype: str, bad: Any) -> None:
    with pytest.raises(MalformedRequest):
        images_in(in_json([0] * 783 + [bad], datatype, [1, 28, 28]))


@pytest.mark.parametrize("datatype", DTYPES)
def test_binary_data_has_the_size_of_its_datatype(datatype: str) -> None:
    size = 784 * np.dtype(DTYPES[datatype]).itemsize
    for wrong in (size - 1, size + 1, 0):
        body, header = binary(bytes(wrong), [1, 28, 28], datatype)
        with pytest.raises(MalformedRequest, match=f"has {size}"):
            images_in(body, header[tensors.JSON_LENGTH])


PICTURES = [drawing.png(label) for label in (3, 8, 5)]
TEXTS = [base64.b64encode(picture).decode() for picture in PICTURES]


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([3], TEXTS),
        ([3, 1], TEXTS),
        ([3, 1], [[text] for text in TEXTS]),
        ([1], TEXTS[:1]),
        ([1, 1], [TEXTS[:1]]),
        ([1, 1], TEXTS[:1]),
    ],
    ids=["[N]", "[N, 1] flat", "[N, 1] nested", "[1]", "[1, 1] nested", "[1, 1] flat"],
)
def test_texts_of_n_and_of_n_by_1(client: Client, shape: list[int], data: list[Any]) -> None:
    response = client.post(INFER, data=in_json(data, "BYTES", shape))
    assert response.status_code == 200
    [output] = response.get_json()["outputs"]
    rows = np.array(output["data"]).reshape(output["shape"])
    assert rows.argmax(axis=1).tolist() == [3, 8, 5][: shape[0]]


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_binary_pictures_of_n_and_of_n_by_1(client: Client, shape: list[int]) -> None:
    packed = b"".join(struct.pack("<I", len(picture)) + picture for picture in PICTURES)
    body, header = binary(packed, shape, "BYTES")
    [output] = client.post(INFER, data=body, headers=header).get_json()["outputs"]
    assert np.array(output["data"]).reshape(3, 10).argmax(axis=1).tolist() == [3, 8, 5]


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([3, 2], TEXTS * 2),
        ([3, 1, 1], TEXTS),
        ([1, 3], TEXTS),
        ([], TEXTS[:1]),
        ([0], []),
        ([0, 1], []),
        ([2], TEXTS),
        ([2, 1], TEXTS),
        ([3, 1], [TEXTS]),
        ([2, 1], [TEXTS[:2]]),
        ([2, 1], [TEXTS[:1], TEXTS[1]]),
        ([2, 1], [TEXTS[0], TEXTS[1:2]]),
        ([2, 1], [[TEXTS[:1]], [TEXTS[:1]]]),
        ([2], [[TEXTS[0]], [TEXTS[1]]]),
    ],
)
def test_text_tensors_must_fill_their_shape(client: Client, shape: list[int], data: list[Any]) -> None:
    response = client.post(INFER, data=in_json(data, "BYTES", shape))
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
