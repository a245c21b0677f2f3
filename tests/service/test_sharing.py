"""Micro-batching in the real server: thousands of pictures at once, each of which gets its own answer."""

import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.engine import Engine
from tests import crowd, drawing, factory
from tests.server import Server, running

SETTINGS = {"BATCH_WINDOW_US": 2000, "THREADS": 16, "MAX_IN_FLIGHT": 64}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    factory.publish(tmp_path)
    return tmp_path


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    with running(MODELS_DIR=models, **SETTINGS) as started:
        started.wait_for("/readyz")
        yield started


def test_each_of_thousands_gets_the_answer_to_its_own_picture(server: Server) -> None:
    digits = crowd.pictures(3000, seed=1)
    answers = crowd.ask(server, digits)
    crowd.check(answers, digits, {"1": Engine.open(factory.model())}, tolerance=1e-6)
    assert crowd.pictures_a_run(server) > 2, "nothing was shared"


def test_each_answer_is_of_the_version_that_it_names_while_another_is_taken(server: Server, models: Path) -> None:
    other = crowd.at_temperature(1.5)
    engines = {"1": Engine.open(factory.model()), "2": Engine.open(other)}
    seen: list[str] = []
    for seed in range(40):
        digits = crowd.pictures(200, seed)
        answers = crowd.ask(server, digits)
        crowd.check(answers, digits, engines, tolerance=1e-6)
        seen += [answer.version for answer in answers]
        if seed == 0:
            factory.publish(models, 2, content=other, promised=other)
        if answers[-1].version == "2":
            break
    assert set(seen) == {"1", "2"}


def test_nobody_is_left_waiting_when_it_ends(models: Path) -> None:
    longest = {**SETTINGS, "BATCH_WINDOW_US": 100_000}
    with running(MODELS_DIR=models, **longest) as server:
        server.wait_for("/readyz")
        digits = crowd.pictures(crowd.CLIENTS, seed=2)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(crowd.ask, server, digits)
            time.sleep(0.05)
            assert server.stop(signal.SIGTERM) == 0
            crowd.check(asked.result(), digits, {"1": Engine.open(factory.model())}, tolerance=1e-6)


def test_what_comes_while_others_are_waited_for_is_the_next_request(models: Path) -> None:
    with running(MODELS_DIR=models, **{**SETTINGS, "BATCH_WINDOW_US": 100_000}) as server:
        server.wait_for("/readyz")
        first, second = (crowd.pictures(1, seed)[0] for seed in (3, 4))
        one, other = _request(first), _request(second)
        with closing(socket.create_connection(("127.0.0.1", server.port), timeout=20)) as connection:
            connection.sendall(one)
            time.sleep(0.03)  # of the 0.1 s that it waits for others
            connection.sendall(other[:-40])
            time.sleep(0.3)
            connection.sendall(other[-40:])
            answers = [_read(connection) for _ in range(2)]
    crowd.check(answers, np.stack([first, second]), {"1": Engine.open(factory.model())}, tolerance=1e-6)


def _request(digit: Any) -> bytes:
    png = drawing.encode(Image.fromarray(digit))
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: {len(png)}\r\n\r\n"
    return head.encode() + png


def _read(connection: socket.socket) -> crowd.Answer:
    with closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        answer = json.loads(response.read())
    return crowd.Answer(answer["model"]["version"], np.array(answer["probabilities"], np.float32))
