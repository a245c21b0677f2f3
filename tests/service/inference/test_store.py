"""Which version serves, as the directory changes and with defects in it."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from service.contract import FLOAT32_FILE, MANIFEST_FILE, MODEL_NAME
from service.inference.store import ModelStore
from service.settings import Settings
from tests import factory


def store(models: Path, **settings: Any) -> ModelStore:
    made = ModelStore(Settings(models_dir=models, provider="cpu", **settings))
    made.refresh()
    return made


def version(found: ModelStore) -> str | None:
    return found.serving.manifest.version if found.serving else None


@pytest.mark.parametrize(("pinned", "serves"), [("latest", "10"), ("9", "9")])
def test_newest_serves_by_number_and_not_by_name_unless_one_is_pinned(tmp_path: Path, pinned: str, serves: str) -> None:
    for number in (2, 10, 9):
        factory.publish(tmp_path, number)
    assert version(store(tmp_path, model_version=pinned)) == serves


def test_a_pinned_version_that_does_not_exist(models_dir: Path) -> None:
    found = store(models_dir, model_version="7")
    assert version(found) is None
    assert "no version 7" in found.reason


@pytest.mark.parametrize("name", ["01", "0", "-1", "2.tmp", ".2", "two", "2 ", "٢", "2.0"])
def test_other_names_are_not_versions(models_dir: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(models_dir / MODEL_NAME / "1", models_dir / MODEL_NAME / name)
    assert version(store(models_dir)) == "1"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_file_is_not_a_version(models_dir: Path) -> None:
    (models_dir / MODEL_NAME / "2").write_text("no directory")
    assert version(store(models_dir)) == "1"


@pytest.mark.parametrize("exists", [False, True])
def test_no_model_at_all(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / MODEL_NAME).mkdir()
    found = store(tmp_path)
    assert found.serving is None
    assert "python -m training" in found.reason


def remove_manifest(directory: Path) -> None:
    (directory / MANIFEST_FILE).unlink()


def damage_model(directory: Path) -> None:
    with (directory / FLOAT32_FILE).open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("damage", [remove_manifest, damage_model])
def test_an_older_version_serves_where_the_newest_is_bad(models_dir: Path, damage: Any, caplog: Any) -> None:
    damage(factory.publish(models_dir, 2))
    found = store(models_dir)
    for _ in range(3):
        found.refresh()
    assert version(found) == "1"
    refusals = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(refusals) == 1
    assert refusals[0].startswith("Version 2 is rejected: ")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"contract": "99"}, "contract version"),
        ({"labels": "a,b"}, "labels"),
        ({"side": 32}, "inputs"),
        ({"output": "softmax"}, "outputs"),
        ({"batch": 1}, "only batches of 1"),
    ],
)
def test_a_model_that_breaks_the_contract_is_refused(tmp_path: Path, broken: Any, words: str) -> None:
    factory.publish(tmp_path, 1, content=factory.model(**broken))
    found = store(tmp_path)
    assert found.serving is None
    assert "Version 1 is rejected" in found.reason
    assert words in found.reason


def test_a_self_test_of_ragged_probabilities_is_a_refusal(tmp_path: Path) -> None:
    factory.publish(tmp_path, 1, edit=lambda fields: fields["self_test"].expected[FLOAT32_FILE][0].pop())
    assert "Version 1 is rejected" in store(tmp_path).reason


def test_an_unexpected_error_does_not_stop_the_worker(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError("too large")

    monkeypatch.setattr("service.inference.store.open_version", fail)
    found = store(models_dir)
    assert found.reason == "Version 1 is rejected. MemoryError: too large"


def test_a_version_serves_on_after_it_was_deleted(models_dir: Path) -> None:
    found = store(models_dir)
    shutil.rmtree(models_dir)
    found.refresh()
    assert version(found) == "1"
    assert found.reason == ""


def test_deleting_the_newest_rolls_back(models_dir: Path) -> None:
    shutil.rmtree(factory.publish(models_dir, 2).rename(models_dir / "gone"))
    directory = factory.publish(models_dir, 2)
    found = store(models_dir)
    shutil.rmtree(directory)
    found.refresh()
    assert version(found) == "1"


def test_a_republished_number_is_loaded(models_dir: Path) -> None:
    found = store(models_dir)
    before = found.serving
    shutil.rmtree(models_dir / MODEL_NAME / "1")
    factory.publish(models_dir, 1, certain_from=0.5)
    found.refresh()
    assert found.serving is not before
    assert found.serving
    assert found.serving.manifest.certain_from == 0.5


def test_published_versions_are_loaded_once(tmp_path: Path) -> None:
    found = store(tmp_path)
    for number in (1, 2):
        factory.publish(tmp_path, number)
        found.refresh()
        assert version(found) == str(number)
    before = found.serving
    found.refresh()
    assert found.serving is before


def test_reasons_are_cleared_once_a_rejected_version_serves(models_dir: Path) -> None:
    directory = factory.publish(models_dir, 2)
    content = (directory / FLOAT32_FILE).read_bytes()
    damage_model(directory)
    found = store(models_dir)
    assert "differs from the published" in found.versions()[0].reason
    (directory / FLOAT32_FILE).write_bytes(content)
    found.refresh()
    assert [(known.number, known.serves, known.reason) for known in found.versions()] == [
        (2, True, ""),
        (1, False, "Version 2 is newer and serves."),
    ]


def test_reasons_last_as_long_as_the_rejected_files(models_dir: Path) -> None:
    found = store(models_dir)
    directory = models_dir / MODEL_NAME / "1"
    sound = (directory / FLOAT32_FILE).rename(models_dir / "sound")
    (directory / FLOAT32_FILE).write_bytes(b"damaged")
    found.refresh()
    [known] = found.versions()
    assert known.serves
    assert known.reason, "its changed files do not serve"
    (directory / FLOAT32_FILE).unlink()
    sound.rename(directory / FLOAT32_FILE)
    found.refresh()
    assert [known.reason for known in found.versions()] == [""]
