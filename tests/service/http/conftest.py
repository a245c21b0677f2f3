"""Shared fixtures."""

from pathlib import Path

import pytest

from tests import factory


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models directory with version 1, for tests that do not change it."""
    directory = tmp_path_factory.mktemp("models")
    factory.publish(directory)
    return directory
