"""Requests as bytes on the wire, with drawn pictures of typical sizes."""

import asyncio
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from service.contract import IMAGE_SIDE, INPUT_NAME, MODEL_NAME
from service.inference.engine import self_test_inputs
from tests import drawing

_LABELS = 5


@dataclass(frozen=True)
class Kind:
    """A kind of request: samples, each with its head, and how many are sent a round."""

    name: str
    requests: list[bytes]
    round: int
    images: int = 1  # in one request


def kinds() -> list[Kind]:
    """Return all measured kinds, the cheapest first."""
    labels = range(_LABELS)
    return [
        Kind("tensor, 1", [_tensors(1)], 400),
        Kind("tensor, 256", [_tensors(256)], 40, 256),
        Kind("28x28 PNG", [_picture(_small(label), "png") for label in labels], 1000),
        Kind("512x512 PNG", [_picture(_photo(label, 512, 512, "PNG"), "png") for label in labels], 100),
        Kind("12 MP JPEG", [_picture(_photo(label, 4000, 3000, "JPEG"), "jpeg") for label in labels], 60),
    ]


def _small(label: int) -> bytes:
    return drawing.encode(drawing.digit(label, side=28, size=20, ink=255, paper=0))


def _photo(label: int, width: int, height: int, format: str) -> bytes:
    """Return a colour picture of a digit on paper, with uneven light and sensor noise."""
    digit = drawing.digit(label, side=height, size=height * 0.6, ink=60, paper=205)
    soft = digit.filter(ImageFilter.GaussianBlur(height / 700)).resize((width, height))
    light = np.linspace(0.85, 1.1, width)[np.newaxis, :, np.newaxis]
    noise = np.random.default_rng(label).normal(0, 2, (height, width, 3))
    pixels = np.asarray(soft, np.float64)[:, :, np.newaxis] * light + noise
    return drawing.encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), format, **_OPTIONS[format])


_OPTIONS: dict[str, dict[str, int]] = {"PNG": {}, "JPEG": {"quality": 85}}


def _picture(content: bytes, subtype: str) -> bytes:
    return _request("/predict", content, f"Content-Type: image/{subtype}\r\n")


def _tensors(count: int) -> bytes:
    """Return an Open Inference Protocol request with binary data both ways."""
    images = self_test_inputs(1, count).tobytes()
    text = (
        f'{{"inputs":[{{"name":"{INPUT_NAME}","datatype":"UINT8","shape":[{count},{IMAGE_SIDE},{IMAGE_SIDE}],'
        f'"parameters":{{"binary_data_size":{len(images)}}}}}],"parameters":{{"binary_data_output":true}}}}'
    ).encode("ascii")
    head = f"Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {len(text)}\r\n"
    return _request(f"/v2/models/{MODEL_NAME}/infer", text + images, head)


def _request(path: str, body: bytes, head: str) -> bytes:
    start = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    return start.encode("ascii") + body


class Connection:
    """A keep-alive connection that reconnects after the server has closed it."""

    def __init__(self, port: int) -> None:
        self._open = partial(asyncio.open_connection, "127.0.0.1", port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> int:
        """Send a request and return the bytes of its answer, 0 if it was rejected with 429."""
        try:
            return await self._send(request)
        except (ConnectionError, asyncio.IncompleteReadError):  # closed by the idle timeout
            self._streams = None
            return await self._send(request)

    async def _send(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await self._open()
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"\ncontent-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 429 ")), head + body
        return len(head) + length if head.startswith(b"HTTP/1.1 200 ") else 0

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
