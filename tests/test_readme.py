"""What the README says is what the code does: its settings, its picture, its recipes, its options."""

import json
import re
from pathlib import Path

import pytest

from service.errors import NotReady, RequestError
from service.settings import Settings, table
from tests import door
from training.__main__ import _comparison_parser, _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_settings_table_is_the_table() -> None:
    rows = [
        f"| `{variable}` | `{default}` | {meaning} | {allowed} |" for variable, default, allowed, meaning in table()
    ]
    expected = "\n".join(["| variable | default | sets | allowed |", "|---|---|---|---|", *rows])
    assert expected in README, f"the README's settings should be:\n{expected}"


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


def test_every_option_of_the_training_is_in_the_readme() -> None:
    actions = [*_parser()._actions, *_comparison_parser()._actions]
    options = {option for action in actions for option in action.option_strings if option.startswith("--")}
    assert {option for option in options - {"--help"} if f"`{option}" not in README} == set()


def test_every_code_that_a_client_can_meet_is_in_the_readme() -> None:
    codes = {kind.code for kind in RequestError.__subclasses__()} | {NotReady.code}
    assert {code for code in codes if f"`{code}`" not in README} == set()
