"""The service behaves as its OpenAPI document says: schemathesis sends it valid and invalid requests.

They are the same in every run; `OPENAPI_EXAMPLES=10000` sends that many random ones to each operation.
"""

import base64
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoverageScenario

from service.http.tensors import DTYPES
from service.settings import Settings
from tests import door, drawing, factory
from tests.server import serving
from tests.tensors import binary, digits

LONG = os.environ.get("OPENAPI_EXAMPLES")
LIMITS = {"max_upload_bytes": 1 << 20, "max_pixels": 1_000_000, "max_batch": 4}
LENGTH = "Inference-Header-Content-Length"
FORMATS = {"image/jpeg": "JPEG", "image/gif": "GIF", "image/bmp": "BMP", "image/webp": "WEBP"}
# Generated files are not pictures, and generated data rarely has the size that its shape says.
NO_PICTURE, NO_TENSOR = [200, 415, 422], [200, 400, 404, 415, 422]
TOO_MANY_PARTS = [200, 413]  # a schema cannot limit the number of unknown form fields
_MORE = CoverageScenario.OBJECT_UNEXPECTED_PROPERTIES

DOCUMENT = door.client_for(Settings(models_dir=Path("none"), **LIMITS)).get("/openapi.json").get_json()


def positive(path: str, statuses: list[int]) -> dict[str, Any]:
    return {"include-path-regex": path, "checks": {"positive_data_acceptance": {"expected-statuses": statuses}}}


CONFIGURATION = {
    "request-timeout": 60,  # the machine may be busy
    "generation": {"max-examples": int(LONG or 20), "deterministic": not LONG},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": [200, 304, 404]},
        "negative_data_rejection": {"expected-statuses": [400, 404, 405, 413, 415, 422]},
    },
    "operations": [
        positive("^/predict(/number)?$", NO_PICTURE),
        positive("^/predict/batch$", TOO_MANY_PARTS),
        positive("^/corrections$", [201, *NO_PICTURE[1:]]),
        positive("(/infer|:predict)$", NO_TENSOR),
    ],
}


def strict(schema: Any) -> Any:
    """Return the schema with unknown properties forbidden, so that answers must be documented in full."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return {name: strict(part) for name, part in schema.items()} | closed


def strict_in_its_answers(document: dict[str, Any]) -> dict[str, Any]:
    parts = document["components"]
    asked = {name: schema for name, schema in parts["schemas"].items() if name.endswith("Request")}
    answered = {"schemas": {**strict(parts["schemas"]), **asked}, "responses": strict(parts["responses"])}
    return {**document, "components": {**parts, **answered}}


schemathesis.openapi.media_type("image/bmp", st.binary(min_size=1))  # schemathesis has samples of the other types
api = schemathesis.openapi.from_dict(
    strict_in_its_answers(DOCUMENT), config=SchemathesisConfig.from_dict(CONFIGURATION)
)


def lot(case: schemathesis.Case, most: int) -> int:
    """Return a number below `most` that depends on the generated body."""
    return zlib.crc32(repr(case.body).encode()) % most


def with_digits(case: schemathesis.Case, *, allowed: bool) -> list[int]:
    """Put real digits into every second body that has pictures, and return them.

    If the rest of the request is not `allowed`, into every body: a bad picture would hide that error.
    """
    name = case.operation.definition.raw["operationId"].removesuffix("_of_version")
    fill = {
        "predict": fill_one,
        "predict_number": fill_one,
        "correct": fill_correction,
        "predict_batch": fill_many,
        "infer": fill_tensor,
    }.get(name)
    if fill is None or (lot(case, 2) if allowed else name == "infer"):
        return []
    if "version" in case.path_parameters:
        case.path_parameters["version"] = "1"
    label = lot(case, 10)
    labels = fill(case, [label, (label + 1) % 10, (label + 2) % 10][: 1 + lot(case, 3)])
    case._record_starting_state()  # or schemathesis would validate the body again, and bytes are no text
    return labels


def fill_one(case: schemathesis.Case, labels: list[int]) -> list[int]:
    picture = drawing.encode(drawing.digit(labels[0]), FORMATS.get(case.media_type, "PNG"))
    by_kind = {"multipart/form-data": {"image": picture}, "application/json": {"image": base64_of(picture)}}
    case.body = by_kind.get(case.media_type, picture)
    return labels[:1]


def fill_correction(case: schemathesis.Case, labels: list[int]) -> list[int]:
    if not isinstance(case.body, dict):
        return []
    digit = case.body["digit"]
    fill_one(case, labels)
    case.body = {**case.body, "digit": digit}
    return [int(digit)]


def fill_many(case: schemathesis.Case, labels: list[int]) -> list[int]:
    pictures = [drawing.png(label) for label in labels]
    multipart = case.media_type == "multipart/form-data"
    case.body = {"image": pictures} if multipart else {"images": [base64_of(picture) for picture in pictures]}
    return labels


def fill_tensor(case: schemathesis.Case, labels: list[int]) -> list[int]:
    """Put digits into the input, as JSON or binary data, of a datatype that depends on the body."""
    images = digits(*labels)
    pictures = [drawing.png(label) for label in labels]
    datatype = ["BYTES", *DTYPES][lot(case, 1 + len(DTYPES))]
    scaled = images if datatype in ("BYTES", "UINT8", "INT64") else images / 255
    shape = [len(labels)] if datatype == "BYTES" else list(images.shape)
    tensor = {"name": "images", "datatype": datatype, "shape": shape}
    case.headers.pop(LENGTH, None)
    if case.media_type == "application/json":
        data = [*map(base64_of, pictures)] if datatype == "BYTES" else scaled.tolist()
        case.body = {**case.body, "inputs": [{**tensor, "data": data}]}
        return labels
    packed = b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
    content = packed if datatype == "BYTES" else scaled.astype(DTYPES[datatype]).tobytes()
    case.body, header = binary(content, shape, datatype)
    case.headers.update(header)
    return labels


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def digits_in(response: schemathesis.Response) -> list[int]:
    """Return the digits in the answer of any route."""
    text = response.content[: int(response.headers.get(LENGTH.lower(), [len(response.content)])[0])]
    answer = json.loads(text)
    if "outputs" in answer:
        return digits_in_tensor(answer["outputs"][0], response.content[len(text) :])
    return [prediction["digit"] for prediction in answer.get("predictions", answer.get("digits", [answer]))]


def digits_in_tensor(output: dict[str, Any], binary: bytes) -> list[int]:
    rows, columns = output["shape"]
    if output["datatype"] == "FP32":
        values = np.array(output["data"]) if "data" in output else np.frombuffer(binary, "<f4")
        return [int(index) for index in values.reshape(rows, columns).argmax(axis=1)]
    classes = output["data"] if "data" in output else list(binary_texts(binary))
    return [int(text.rpartition(":")[2]) for text in classes[::columns]]


def binary_texts(binary: bytes) -> Iterator[str]:
    while binary:
        end = 4 + struct.unpack_from("<I", binary)[0]
        yield binary[4:end].decode("ascii")
        binary = binary[end:]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    factory.publish(models)
    kept = tmp_path_factory.mktemp("corrections")
    with serving(
        MODELS_DIR=models, CORRECTIONS_DIR=kept, **{name.upper(): value for name, value in LIMITS.items()}
    ) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        yield kept


def test_tested_document_is_the_served_one(address: str, session: requests.Session) -> None:
    assert session.get(f"{address}/openapi.json").json() == DOCUMENT


@pytest.mark.timeout(0 if LONG else 300)
@api.parametrize()
@settings(deadline=None)
def test_every_answer_is_documented(case: schemathesis.Case, address: str, session: requests.Session) -> None:
    allowed, body = case.meta.generation.mode.is_positive, case.meta.components.get(ParameterLocation.BODY)
    digits = with_digits(case, allowed=allowed) if body and body.mode.is_positive else []
    # A batch is answered with 200 even if its pictures are bad, and unknown query parameters may be ignored.
    one_of_many = case.path == "/predict/batch" and not digits
    harmless = one_of_many or getattr(case.meta.phase.data, "scenario", None) == _MORE
    beside = [CHECKS.get_one("negative_data_rejection")] if harmless else []
    response = case.call_and_validate(base_url=address, session=session, excluded_checks=beside)
    if allowed and digits:
        assert response.status_code in (200, 201), response.text
        assert digits_in(response) == digits
