"""Digits as model input, and as binary data of the Open Inference Protocol."""

import json
from typing import Any

import numpy as np

from service.contract import INPUT_NAME
from service.http.tensors import JSON_LENGTH
from service.inference.engine import Images
from service.preprocessing.mnist_format import canonical_digit
from tests import drawing


def digits(*labels: int) -> Images:
    """Return printed digits in canonical form, uint8 [N, 28, 28]."""
    return np.stack([canonical_digit(np.asarray(drawing.digit(label))) for label in labels])


def binary(content: bytes, shape: list[int], datatype: str = "UINT8", **fields: Any) -> tuple[bytes, dict[str, str]]:
    """Return a body with binary tensor data after the JSON, and its header."""
    size = {"binary_data_size": len(content)}
    image = {"name": INPUT_NAME, "shape": shape, "datatype": datatype, "parameters": size}
    text = json.dumps({"inputs": [image], **fields}).encode()
    return text + content, {JSON_LENGTH: str(len(text))}
