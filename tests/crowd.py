"""Many concurrent clients, each with its own pictures, to check that no answer reaches the wrong client."""

import http.client
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from service.inference.engine import Engine
from service.inference.specimens import Hand, draw
from service.preprocessing.mnist_format import centre, fit
from tests import drawing
from tests.server import Server
from tests.tensors import binary

CLIENTS = 32
_HEADER = "Inference-Header-Content-Length"
_BLOCK = 500  # pictures compared with all others at a time


class Answer(NamedTuple):
    """The answer for one picture: the version and its ten probabilities."""

    version: str
    probabilities: Any


def pictures(number: int, seed: int) -> Any:
    """Return digits in MNIST's format, uint8 [number, 28, 28], each in a different hand."""
    rng = random.Random(seed)

    def one(place: int) -> Any:
        hand = Hand(rng.randint(6, 15), rng.uniform(70, 95), rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.2))
        return centre(fit(draw(place % 10, hand)))

    return np.stack([one(place) for place in range(number)])


def ask(server: Server, digits: Any) -> list[Answer]:
    """Send all of `digits` to `server` at once, by every code path; return the answers.

    A third are tensors, two or three in a request; a third small pictures, decoded on the event loop; a third large
    ones, decoded in threads.
    """
    free: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()

    def exchange(number: int, pictures: Any) -> list[Answer]:
        connection = free.get()
        answers = _WAYS[number % len(_WAYS)](connection, pictures)
        free.put(connection)
        return answers

    with ExitStack() as stack:
        for _ in range(CLIENTS):
            free.put(stack.enter_context(closing(server.connect())))
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        return [answer for answers in pool.map(exchange, count(), _requests(digits)) for answer in answers]


def _requests(digits: Any) -> Iterator[Any]:
    """Yield the pictures of each request: two or three for tensors, else one."""
    place = number = 0
    while place < len(digits):
        size = 2 + number % 2 if number % len(_WAYS) == 0 else 1
        yield digits[place : place + size]
        place, number = place + size, number + 1


def _as_tensor(connection: http.client.HTTPConnection, digits: Any) -> list[Answer]:
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    body, header = binary(digits.tobytes(), list(digits.shape), outputs=wanted)
    headers = {**header, "Content-Type": "application/octet-stream"}
    connection.request("POST", "/v2/models/mnist-dmlp/infer", body, headers)
    response = connection.getresponse()
    content, length = _content(response), int(response.headers[_HEADER])
    version = json.loads(content[:length])["model_version"]
    rows = np.frombuffer(content[length:], "<f4").reshape(-1, 10)
    assert len(rows) == len(digits)
    return [Answer(version, row) for row in rows]


def _as_picture(connection: http.client.HTTPConnection, digits: Any, path: str = "/predict") -> list[Answer]:
    connection.request("POST", path, drawing.encode(Image.fromarray(digits[0])), {"Content-Type": "image/png"})
    answer = json.loads(_content(connection.getresponse()))
    return [Answer(answer["model"]["version"], np.array(answer["probabilities"], np.float32))]


def _by_flask(connection: http.client.HTTPConnection, digits: Any) -> list[Answer]:
    return _as_picture(connection, digits, "/predict?top_k=1")


_WAYS = (_as_tensor, _as_picture, _by_flask)


def _content(response: http.client.HTTPResponse) -> bytes:
    content = response.read()
    assert response.status == 200, content
    return content


def check(answers: Sequence[Answer], digits: Any, engines: dict[str, Engine], *, tolerance: float) -> None:
    """Check that each answer is that of its own picture, by the version it names, and of no other picture.

    `engines` maps these versions to engines that run each picture alone. Log probabilities are compared too: small
    probabilities tell similar pictures apart.
    """
    assert len(answers) == len(digits)
    found = np.stack([answer.probabilities for answer in answers])
    versions = np.array([answer.version for answer in answers])
    for version in set(versions.tolist()):
        engine = engines[version]
        expected = np.concatenate([engine.run(digit[np.newaxis]) for digit in digits])
        mine = np.flatnonzero(versions == version)
        np.testing.assert_allclose(found[mine], expected[mine], atol=tolerance)
        for start in range(0, len(mine), _BLOCK):
            block = mine[start : start + _BLOCK]
            distances = np.abs(_logarithms(found[block])[:, None] - _logarithms(expected)[None]).max(axis=2)
            np.testing.assert_array_equal(distances.argmin(axis=1), block)


def _logarithms(probabilities: Any) -> Any:
    return np.log(np.maximum(probabilities, 1e-30))


def pictures_a_run(server: Server) -> float:
    """Return the mean number of pictures in a run of the model."""
    return server.metric("digits_batch_pictures_sum") / server.metric("digits_batch_pictures_count")
