"""The README shows real answers of the service; docs/ has the reference and the figures that the code makes today."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from service.settings import Settings
from tests import door, preprocessing_pictures, reference
from tests.server import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130


def test_reference_is_made_from_the_code() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run `make tables`"


def test_published_model_answers_the_readmes_picture_as_the_readme_says() -> None:
    shown = re.search(r"^\{\"digit\".*\}$", README, re.MULTILINE)
    assert shown, "the README shows no answer"
    client = door.client_for(Settings(models_dir=ROOT / "models", provider="cpu"))
    answer = client.post("/predict", data=(ROOT / "docs" / "seven.png").read_bytes(), content_type="image/png").json
    expected = json.loads(shown[0])
    assert answer is not None
    assert answer.keys() == expected.keys()
    assert answer["digit"] == expected["digit"] == 7
    assert answer["model"] == expected["model"]
    # an int8 graph rounds a little differently on other processors
    assert answer["probabilities"] == pytest.approx(expected["probabilities"], abs=0.02)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_point_to_existing_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("figures")
    preprocessing_pictures.main(directory)
    return directory


@pytest.mark.parametrize("name", ["preprocessing.png", "canonical.png"])
def test_figures_have_as_many_pictures_as_the_docs(drawn: Path, name: str) -> None:
    with Image.open(drawn / name) as now, Image.open(ROOT / "docs" / name) as published:
        assert now.size == published.size
