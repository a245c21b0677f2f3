"""Shared fixtures: a models directory with a model, the application, clients; the real MNIST."""

import os
import signal
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from service.http.answering import Service
from service.http.app import create_app, open_service
from service.http.front import Front
from service.settings import Settings
from tests import door, factory

# A background process of a script ignores SIGINT, and so do its children; some tests interrupt theirs.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


collect_ignore = [] if find_spec("playwright") else ["browser"]
if not find_spec("tensorflow"):
    collect_ignore.append("benchmarks/test_own_digits.py")  # it trains


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that no process starts one of them at the end."""
    order = ("docker", "tensorflow", "slow", "browser")
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in order])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the reasons for skipped tests, with counts."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} skipped: {reason}")


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models directory with version 1 of a model that recognises the digits of `tests.drawing`."""
    factory.publish(tmp_path / "models", 1)
    return tmp_path / "models"


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Small limits, which a test can exceed."""
    return Settings(models_dir=models_dir, provider="cpu", max_upload_bytes=1 << 20, max_pixels=1_000_000, max_batch=4)


@pytest.fixture
def here(settings: Settings) -> Service:
    return open_service(settings)


@pytest.fixture
def app(here: Service) -> Flask:
    return create_app(here)


@pytest.fixture(params=["door", "flask"])
def client(request: pytest.FixtureRequest, here: Service) -> Client:
    """A client of every route, by the door and by Flask alone: the answers are the same."""
    return door.client_of(Front(here)) if request.param == "door" else create_app(here).test_client()


@pytest.fixture
def door_client(here: Service) -> Client:
    """A client of the door, for what Flask alone does not do."""
    return door.client_of(Front(here))


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The directory of the real MNIST, which is not in this repository."""
    directory = os.environ.get("MNIST_DIR")
    if not directory:
        pytest.skip("needs the real MNIST: set MNIST_DIR to the directory with its four IDX files")
    return Path(directory)
