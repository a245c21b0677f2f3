"""The README shows real answers of the service; docs/reference.md is generated from the code."""

import json
import re
from pathlib import Path

import pytest

from service.settings import Settings
from tests import door, reference

ROOT = Path(__file__).parent.parent
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
