"""What tests share: a models directory with a model in it, the application, a client; the real MNIST."""

import os
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.app import create_app
from service.settings import Settings
from tests import factory


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models directory that holds version 1 of a model that recognises the digits of `tests.drawing`."""
    factory.publish(tmp_path / "models", 1)
    return tmp_path / "models"


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    """Small limits, so that a test can exceed them."""
    return Settings(models_dir=models_dir, provider="cpu", max_upload_bytes=1 << 20, max_pixels=1_000_000, max_batch=4)


@pytest.fixture
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The directory with the real MNIST, which is no part of this repository."""
    directory = os.environ.get("MNIST_DIR")
    if not directory:
        pytest.skip("needs the real MNIST: set MNIST_DIR to the directory with its four IDX files")
    return Path(directory)
