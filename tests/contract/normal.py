"""Normalise answers: remove what differs between runs."""

import base64
import json
import re
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from tests.contract.wire import Received

HEADERS = (
    "Accept-Ranges",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Allow",
    "Content-Security-Policy",
    "Content-Type",
    "Inference-Header-Content-Length",
    "Location",
    "Referrer-Policy",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Request-ID",
)
_LISTS = (
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Expose-Headers",
    "Allow",
    "Vary",
)
_JSON_LENGTH = "Inference-Header-Content-Length"
_VERSION_KEYS = ("version", "model_version", "versions")
_DECIMALS = 3


def normal(answer: Received, sent: bytes, version: str) -> dict[str, Any]:
    """Return an answer to `sent` in recorded form; `version` is that of the model."""
    body = _body(answer, version)
    found = {"status": answer.status, "headers": _headers(answer.headers, sent), "body": body}
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        found["said"] = body["error"]
        body["error"] = "a sentence" if re.fullmatch(r".+\.", body["error"], re.DOTALL) else "no sentence"
    return found


def _headers(headers: list[tuple[str, str]], sent: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in HEADERS:
        values = [value for given, value in headers if given.lower() == name.lower()]
        if name in _LISTS and values:
            found[name] = sorted({part.strip() for value in values for part in value.split(",")})
        elif values:
            found[name] = values[0] if len(values) == 1 else sorted(values)
    if (made := found.get("X-Request-ID")) and f"X-Request-ID: {made}\r\n".encode() not in sent:
        found["X-Request-ID"] = "made"
    found.pop(_JSON_LENGTH, None)  # checked by decoding the body with it
    return found


def _body(answer: Received, version: str) -> Any:
    headers = {name.lower(): value for name, value in answer.headers}
    kind = headers.get("content-type", "").partition(";")[0]
    if not answer.body:
        return None
    if length := headers.get(_JSON_LENGTH.lower()):
        fields, binary = json.loads(answer.body[: int(length)]), answer.body[int(length) :]
        return {"json": _plain(fields, version), "binary": _binary(fields, binary)}
    if kind == "application/json":
        return _plain(json.loads(answer.body), version)
    if headers.get("content-type", "").startswith(("text/plain; version", "application/openmetrics-text")):
        families = re.findall(r"^# TYPE (digits_\w+ \w+)$", answer.body.decode(), re.MULTILINE)
        return {"metrics": sorted(families)}
    return "something"


def _binary(fields: dict[str, Any], binary: bytes) -> Any:
    [output] = fields["outputs"]
    if output["datatype"] == "FP32":
        return _rows(np.frombuffer(binary, "<f4").tolist())
    return re.sub(r"0\.\d+|1\.0+", lambda match: f"{float(match[0]):.{_DECIMALS}f}", binary.decode("latin-1"))


def _plain(value: Any, version: str) -> Any:
    if isinstance(value, dict) and "openapi" in value:
        return {"openapi": {path: sorted(methods) for path, methods in value["paths"].items()}}
    if isinstance(value, dict):
        return {key: _field(key, entry, version) for key, entry in value.items()}
    if isinstance(value, list):
        return _rows([_plain(entry, version) for entry in value])
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, str) and re.fullmatch(r"[01]\.\d{6}:\d:\d", value):
        return f"{float(value[:8]):.{_DECIMALS}f}{value[8:]}"
    return value


def _field(key: str, value: Any, version: str) -> Any:
    if key == "seen":
        image = Image.open(BytesIO(base64.b64decode(value)))
        return f"{image.format} {image.mode} {image.width}x{image.height}"
    if key in _VERSION_KEYS:
        value = ["served" if str(entry) == version else entry for entry in value] if isinstance(value, list) else value
        value = "served" if value == version else value
        return re.sub(r"^\d+\.\d+\.\d+\S*$", "of the project", value) if isinstance(value, str) else value
    return _plain(value, version)


def _rows(values: list[Any]) -> Any:
    """Return a long list of numbers as rows of ten, each a text; repeated rows are counted."""
    if len(values) < 10 or not all(isinstance(value, float | int) for value in values):
        return values
    rows = [
        " ".join(f"{value:.{_DECIMALS}f}" for value in values[start : start + 10])
        for start in range(0, len(values), 10)
    ]
    return rows if len(set(rows)) > 1 or len(rows) < 3 else [f"{len(rows)} times {rows[0]}"]
