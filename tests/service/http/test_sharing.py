"""Shared runs in the real server: thousands of pictures at once, each of which gets its own answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.inference.engine import Engine
from tests import crowd, factory
from tests.server import Server, serving


@pytest.fixture
def models(tmp_path: Path) -> Path:
    factory.publish(tmp_path)
    return tmp_path


@pytest.fixture
def server(models: Path) -> Iterator[Server]:
    with serving(MODELS_DIR=models) as started:
        yield started


def test_thousands_of_requests_each_get_their_own_answer(server: Server) -> None:
    digits = crowd.pictures(3000, seed=1)
    answers = crowd.ask(server, digits)
    crowd.check(answers, digits, {"1": Engine.open(factory.model())}, tolerance=1e-6)
    assert crowd.pictures_a_run(server) > 2, "nothing was shared"


def test_answers_match_their_version_during_a_switch(server: Server, models: Path) -> None:
    other = factory.at_temperature(1.5)
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
