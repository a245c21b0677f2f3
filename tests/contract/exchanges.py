"""Requests as bytes on the wire, each with a name and the settings of its server.

`python -m tests.contract.transcripts --record` sends them and records the answers. If the current answer is wrong, the
exchange gives the right one and the reason.
"""

import base64
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import cv2
import numpy as np

from tests.contract.digits import Hand, encode, ink, on_paper

VERSION = "{version}"  # in a path: the version that serves
MODEL = "/v2/models/mnist-dmlp"
JSON_LENGTH = "Inference-Header-Content-Length"
# A newline every 40 bytes: a form parser has to buffer after each, because a boundary may follow.
_RANDOM = random.Random(7)
NOISE = b"".join(_RANDOM.randbytes(39) + b"\n" for _ in range(30_000))
BOUNDARY = f"{'-' * 24}{'0123456789abcdef' * 2}0123"  # as long as that of some clients
PNG = ("Content-Type: image/png",)
JSON = ("Content-Type: application/json",)


@dataclass(frozen=True)
class Exchange:
    """One request, or pipelined ones with their `methods`. `changed`: why `right` replaces parts of the answer."""

    name: str
    sent: bytes
    settings: str = "default"
    methods: tuple[str, ...] = ()
    changed: str = ""
    right: dict[str, Any] = field(default_factory=dict)


def head(method: str, path: str, *headers: str, version: str = "1.1", host: bool = True) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/{version}", *(["Host: digits.test"] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def whole(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """Return a request with a Content-Length."""
    length = () if method in ("GET", "HEAD", "OPTIONS") and not body else (f"Content-Length: {len(body)}",)
    return head(method, path, *headers, *length) + body


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a POST."""
    return whole("POST", path, body, *headers)


def post_json(path: str, fields: object, *headers: str) -> bytes:
    """Return a POST of JSON."""
    return post(path, json.dumps(fields).encode(), *JSON, *headers)


def form(*parts: tuple[str, bytes, str | None], boundary: str = BOUNDARY) -> tuple[bytes, str]:
    """Return the body of a form of (name, content, file name or None), and its content type."""
    body = b""
    for name, content, file in parts:
        named = f'; filename="{file}"' if file is not None else ""
        kind = "\r\nContent-Type: image/png" if file is not None else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}{kind}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"Content-Type: multipart/form-data; boundary={boundary}"


def post_form(path: str, *parts: tuple[str, bytes, str | None]) -> bytes:
    """Return a POST of a form."""
    return post(path, *form(*parts))


def chunked(path: str, body: bytes, size: int, *headers: str) -> bytes:
    """Return a POST in chunks of `size` bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head("POST", path, *headers, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"


@cache
def seven() -> bytes:
    """Return a 7 in MNIST's form, as PNG."""
    return encode(on_paper(ink("7", 28, hand=Hand(size=0.68)), 255, 0))


@cache
def two() -> bytes:
    """Return a 2 on paper, as PNG of 96x96 pixels."""
    return encode(on_paper(ink("2", 96)))


def large(size: int) -> bytes:
    """Return a file of `size` bytes: the 7, padded after the end of the PNG."""
    return seven() + NOISE[: size - len(seven())]


def blank() -> bytes:
    """Return white paper."""
    return encode(on_paper(ink("", 40)))


def several() -> bytes:
    """Return two digits side by side."""
    return encode(on_paper(ink("38", 160, 90)))


def star() -> bytes:
    """Return a star of five points, drawn in one line."""
    turns = np.arange(6) * 0.8 * np.pi
    points = np.stack([80 + 60 * np.sin(turns), 80 - 60 * np.cos(turns)], axis=1)
    paper = np.full((160, 160), 255, np.uint8)
    cv2.polylines(paper, [points.astype(np.int32)], False, 0, 9)
    return encode(paper)


def text_of(content: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(content).decode()


def tensor(data: Any, shape: list[int], datatype: str = "UINT8", **fields: Any) -> dict[str, Any]:
    """Return an input of the open protocol with its data in JSON."""
    return {"name": "images", "shape": shape, "datatype": datatype, "data": data, **fields}


def infer(fields: object, *headers: str, path: str = f"{MODEL}/infer") -> bytes:
    """Return an inference request in JSON."""
    return post_json(path, fields, *headers)


def infer_binary(content: bytes, shape: list[int], datatype: str, cut: int = 0, **fields: Any) -> bytes:
    """Return an inference request with binary data; `cut` is the error in the declared length of the JSON."""
    size = {"binary_data_size": len(content)}
    image = {"name": "images", "shape": shape, "datatype": datatype, "parameters": size}
    text = json.dumps({"inputs": [image], **fields}).encode()
    length = f"{JSON_LENGTH}: {len(text) + cut}"
    return post(f"{MODEL}/infer", text + content, "Content-Type: application/octet-stream", length)


def packed(*elements: bytes) -> bytes:
    """Return a BYTES tensor as binary data."""
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def basic(password: str) -> str:
    """Return a Basic authorization header."""
    return f"Authorization: Basic {text_of(f'anybody:{password}'.encode())}"


def error(status: int, code: str) -> dict[str, Any]:
    """Return the right answer of an exchange that should be an error."""
    body = {"code": code, "error": "a sentence"}
    return {"status": status, "headers": {"Content-Type": "application/json"}, "body": body}


def exchanges() -> Iterator[Exchange]:
    """Yield every exchange."""
    from tests.contract import exchanges_http, exchanges_oip, exchanges_predict

    for module in (exchanges_predict, exchanges_oip, exchanges_http):
        for group in module.GROUPS:
            yield from group()
