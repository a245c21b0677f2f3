"""What is answered without Flask is what Flask would have answered."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.api import direct
from service.app import create_app
from service.settings import Settings
from tests import drawing

BOUNDARY = "----boundary7MA4YWxkTrZu0gW"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DISPOSITION = 'Content-Disposition: form-data; name="image"; filename="digit.png"\r\n'


def form(picture: bytes, head: str = f"{DISPOSITION}Content-Type: image/png\r\n", end: str = "--\r\n") -> bytes:
    return f"--{BOUNDARY}\r\n{head}\r\n".encode() + picture + f"\r\n--{BOUNDARY}{end}".encode()


@pytest.fixture
def by_flask(settings: Settings) -> FlaskClient:
    """A client of an application whose requests all go through Flask."""
    app = create_app(settings)
    observed: Any = app.wsgi_app
    assert isinstance(observed._application, direct.Direct)
    observed._application = observed._application._application
    return app.test_client()


@pytest.mark.parametrize(
    "head",
    [
        DISPOSITION,
        f"{DISPOSITION}Content-Type: application/octet-stream\r\n",
        f"Content-Type: image/png\r\n{DISPOSITION}",
        DISPOSITION.lower().replace("digit.png", ""),
    ],
)
@pytest.mark.parametrize("end", ["--\r\n", "--"])
def test_plain_form_is_read_as_it_stands(head: str, end: str) -> None:
    picture = drawing.png()
    assert direct.plain_picture(form(picture, head, end), FORM_TYPE) == picture


@pytest.mark.parametrize(
    "body",
    [
        form(b""),
        form(b"x")[:-8],
        form(b"x") + b"epilogue",
        b"preamble\r\n" + form(b"x"),
        form(b"x", DISPOSITION.replace("image", "other")),
        form(b"x", DISPOSITION.replace('; filename="digit.png"', "")),
        form(b"x", DISPOSITION + "Content-Transfer-Encoding: base64\r\n"),
        form(b"x", DISPOSITION.replace("digit.png", 'a\\"b')),
        form(f"x\r\n--{BOUNDARY}\r\n{DISPOSITION}\r\ny".encode()),
        b"",
    ],
)
def test_form_that_holds_anything_else_is_left_to_flask(body: bytes) -> None:
    assert direct.plain_picture(body, FORM_TYPE) == b""


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "image/png; charset=x",
        "multipart/form-data",
        'multipart/form-data; boundary="a"',
    ],
)
def test_other_content_types_are_left_to_flask(content_type: str) -> None:
    assert direct.plain_picture(drawing.png(), content_type) == b""


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/predict?seen=true", {}),
        ("/predict", {"Content-Encoding": "identity"}),
        ("/predict", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_requests_that_are_not_plain_are_left_to_flask(app: Flask, path: str, headers: dict[str, str]) -> None:
    with app.test_request_context(path, method="POST", data=b"x", headers=headers) as context:
        assert direct.plain_length(context.request.environ) == 0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (drawing.png(3), "image/png"),
        (drawing.png(5), "application/octet-stream"),
        (form(drawing.png(8)), FORM_TYPE),
        (b"no picture", "image/png"),
        (drawing.png()[:60], "image/png"),
        (form(b"no picture"), FORM_TYPE),
        (drawing.encode(drawing.digit(1, paper=0)), "image/png"),
        (b"x" * (1 << 20), "image/png"),
        (b"x" * ((1 << 20) + 1), "image/png"),
        (b"", "image/png"),
        (drawing.png(3), "text/plain"),
    ],
)
def test_answers_are_flasks_answers(client: FlaskClient, by_flask: FlaskClient, body: bytes, content_type: str) -> None:
    ours = client.post("/predict", data=body, content_type=content_type)
    theirs = by_flask.post("/predict", data=body, content_type=content_type)
    assert (ours.status, ours.data) == (theirs.status, theirs.data)
    ours.headers.remove("X-Request-ID")
    theirs.headers.remove("X-Request-ID")
    assert sorted(ours.headers) == sorted(theirs.headers)


def inference(data: object, **fields: object) -> bytes:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": data}
    return json.dumps({"inputs": [tensor], **fields}).encode()


@pytest.mark.parametrize(
    "body",
    [
        inference([7] * 784),
        inference([7] * 784, id="mine"),
        inference([7] * 784, parameters={"binary_data_output": True}),
        inference([7] * 783),
        b"no JSON",
    ],
)
def test_inferences_are_flasks(client: FlaskClient, by_flask: FlaskClient, body: bytes) -> None:
    path = "/v2/models/mnist-dmlp/infer"
    ours, theirs = (each.post(path, data=body, content_type="application/json") for each in (client, by_flask))
    assert (ours.status, ours.data) == (theirs.status, theirs.data)
    ours.headers.remove("X-Request-ID")
    theirs.headers.remove("X-Request-ID")
    assert sorted(ours.headers) == sorted(theirs.headers)
    assert (
        f'digits_requests_total{{method="POST",route="/v2/models/<name>/infer",status="{ours.status_code}"}} 1.0'
        in (client.get("/metrics").text)
    )
