"""The figures in docs/ have the steps and the pictures that the code draws today."""

from pathlib import Path

import pytest
from PIL import Image

from tests import preprocessing_pictures
from tests.server import ROOT


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("figures")
    preprocessing_pictures.main(directory)
    return directory


@pytest.mark.parametrize("name", ["preprocessing.png", "canonical.png"])
def test_figures_have_as_many_pictures_as_the_docs(drawn: Path, name: str) -> None:
    with Image.open(drawn / name) as now, Image.open(ROOT / "docs" / name) as published:
        assert now.size == published.size
