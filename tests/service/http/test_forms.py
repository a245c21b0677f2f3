"""Multipart forms: how they are read, and the error for each kind of broken form."""

import random
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import Client

from service.errors import MalformedRequest, TooLarge
from service.http import predict
from service.http.answering import Request
from service.http.predict import fields_of
from service.settings import Settings
from tests import drawing
from tests.server import multipart

FORM = "multipart/form-data; boundary=b"


def field(name: str, content: bytes, filename: str | None = "a.png", head: str = "") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{head}\r\n'.encode() + content + b"\r\n"


END = b"--b--\r\n"


def read(body: bytes, content_type: str = FORM, most: int | None = None) -> tuple[dict[str, str], list[bytes]]:
    return fields_of(Request(body, {"content-type": content_type}), ("top_k", "seen"), most)


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"abc", b"\r\n--b", b"--b--", b"\r\n--c\r\n", bytes(range(256)) * 999]
)
def test_a_file_is_read_to_the_byte(content: bytes) -> None:
    if b"\r\n--b" in content:  # no client chooses a boundary that its file holds
        content = content.replace(b"--b", b"--a")
    assert read(field("image", content) + END) == ({}, [content])


@pytest.mark.parametrize(
    "head", ["", "Content-Type: image/png\r\n", "Content-Type: text/plain\r\nContent-Length: 3\r\n"]
)
@pytest.mark.parametrize("filename", ["a.png", "", "ü.png", "a b;c.png"])
def test_the_bytes_decide_and_not_the_declared_type(head: str, filename: str) -> None:
    assert read(field("image", b"abc", filename, head) + END) == ({}, [b"abc"])


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream"])
def test_a_file_may_lack_a_name(kind: str) -> None:
    """As Node's form-data sends a Buffer, and old urllib3 a name that is not ASCII (in `filename*`)."""
    assert read(field("image", b"abc", None, f"Content-Type: {kind}\r\n") + END) == ({}, [b"abc"])


@pytest.mark.parametrize(
    "content_type", ['multipart/form-data; boundary="b"', "Multipart/Form-Data; charset=utf-8; BOUNDARY=b"]
)
def test_syntax_variants_of_the_boundary(content_type: str) -> None:
    assert read(field("image", b"abc") + END, content_type) == ({}, [b"abc"])


def test_fields_beside_the_file_and_files_in_their_order() -> None:
    body = field("top_k", b"3", None) + field("image", b"1") + field("image", b"2") + field("seen", b"true", None) + END
    assert read(body, most=4) == ({"top_k": "3", "seen": "true"}, [b"1", b"2"])
    assert read(field("image", b"1") + field("image", b"2") + END)[1] == [b"1", b"2"]  # /predict says what is wrong


def test_text_after_the_form_is_ignored() -> None:
    assert read(field("image", b"abc") + END + b"\r\n")[1] == [b"abc"]


WHOLE = field("image", drawing.png()) + END
BROKEN = {
    "no boundary": (WHOLE, "multipart/form-data", "no boundary"),
    "an empty boundary": (WHOLE, "multipart/form-data; boundary=", "no boundary"),
    "another boundary": (WHOLE, "multipart/form-data; boundary=c", "boundary in `Content-Type` is not in the body"),
    "nothing": (b"", FORM, "boundary in `Content-Type` is not in the body"),
    "no form": (b"hello", FORM, "boundary in `Content-Type` is not in the body"),
    "cut off in the file": (WHOLE[:200], FORM, "incomplete"),
    "cut off before the end": (WHOLE[: -len(END)], FORM, "incomplete"),
    "cut off in the end": (WHOLE[:-5], FORM, "incomplete"),
    "cut off in a head": (WHOLE[:30], FORM, "incomplete"),
    "no head": (b"--b\r\n\r\nabc\r\n" + END, FORM, "malformed"),
    "no name": (b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\nabc\r\n' + END, FORM, "Unknown field ''"),
    "another disposition": (b'--b\r\nContent-Disposition: file; name="image"\r\n\r\nabc\r\n' + END, FORM, "malformed"),
    "a head of letters": (b"--b\r\nhello\r\n\r\nabc\r\n" + END, FORM, "malformed"),
    "no field": (END, FORM, "no file field `image`"),
    "only options": (field("top_k", b"3", None) + END, FORM, "no file field `image`"),
    "a text": (field("image", b"abc", None) + END, FORM, "`image` is text"),
    "a declared text": (field("image", b"abc", None, "Content-Type: Text/plain\r\n") + END, FORM, "`image` is text"),
    "another case": (field("Image", b"abc") + END, FORM, "Unknown field 'Image'"),
    "another name": (field("file", b"abc") + END, FORM, "Unknown field 'file'"),
    "another one beside": (field("image", b"abc") + field("x", b"", None) + END, FORM, "Unknown field 'x'"),
}


@pytest.mark.parametrize("route", ["/predict", "/predict/batch"])
@pytest.mark.parametrize(("body", "content_type", "said"), BROKEN.values(), ids=BROKEN)
def test_the_error_for_a_broken_form_says_what_is_wrong(
    client: Client, route: str, body: bytes, content_type: str, said: str
) -> None:
    response = client.post(route, input_stream=BytesIO(body), content_length=len(body), content_type=content_type)
    assert (response.status_code, response.get_json()["code"]) == (400, "malformed_request")
    assert said in response.get_json()["error"]
    assert len(response.get_json()["error"]) < 200


@pytest.mark.parametrize("place", range(1, len(WHOLE), 97))
def test_a_truncated_form_is_never_read_as_a_picture(place: int) -> None:
    with pytest.raises(MalformedRequest):
        read(WHOLE[:place])


def test_more_files_than_allowed() -> None:
    body = b"".join(field("image", b"1") for _ in range(5)) + END
    with pytest.raises(TooLarge, match="There are 5 pictures, 4 are allowed"):
        read(body, most=4)


@pytest.mark.parametrize("name", ["image", "top_k", "x"])
def test_parsing_stops_after_too_many_fields(name: str) -> None:
    body = b"".join(field(name, b"", None if name != "image" else "a") for _ in range(10_000)) + END
    with pytest.raises(TooLarge, match="fields: send fewer"):
        read(body)


def test_a_large_text_field_is_cut() -> None:
    values, _ = read(field("top_k", b"1" * 1_000_000, None) + field("image", b"abc") + END)
    assert len(values["top_k"]) < 100_000


def test_an_empty_file_is_named(client: Client) -> None:
    response = client.post("/predict", data=field("image", b"") + END, content_type=FORM)
    assert response.status_code == 400
    assert response.get_json()["error"] == "The picture is empty: send its bytes."
    batch: Any = client.post(
        "/predict/batch", data=field("image", b"") + field("image", drawing.png(2)) + END, content_type=FORM
    )
    first, second = batch.get_json()["predictions"]
    assert (first["code"], second["digit"]) == ("malformed_request", 2)


def test_a_file_that_holds_what_looks_like_a_boundary() -> None:
    rng = random.Random(1)
    boundary = "-" * 24 + "0123456789abcdef"
    for size in (0, 1, 100, 5000, 200_000):
        for extra in (b"", f"\r\n--{boundary[:-1]}".encode(), b"\r\n\r\n--", b"\r\n--"):
            content = rng.randbytes(size) + extra
            body = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="a b.png"\r\n'
                "Content-Type: image/png\r\n\r\n"
            ).encode()
            body += content + f"\r\n--{boundary}--\r\n".encode()
            asked = Request(body, {"content-type": f"multipart/form-data; boundary={boundary}"})
            assert fields_of(asked, ()) == ({}, [content])


def test_max_batch_of_one_also_limits_forms(settings: Settings) -> None:
    content, headers = multipart([("image", drawing.png(4))] * 2)
    one = Request(content, {"content-type": headers["Content-Type"]})
    with pytest.raises(TooLarge, match="There are 2 pictures, 1 are allowed"):
        predict.read_batch(one, replace(settings, max_batch=1))
