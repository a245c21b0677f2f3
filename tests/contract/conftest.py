"""The live servers shared by all contract tests."""

from collections.abc import Iterator

import pytest

from tests.contract.server import Servers, servers


@pytest.fixture(scope="session")
def live() -> Iterator[Servers]:
    with servers() as started:
        yield started
