"""The live servers that all contract tests share."""

from collections.abc import Iterator

import pytest

from tests.contract.server import Servers, servers


@pytest.fixture(scope="session")
def live() -> Iterator[Servers]:
    with servers() as started:
        yield started
