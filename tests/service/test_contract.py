"""The manifest: written, read back, rejected if damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.contract import FLOAT32_FILE, MANIFEST_FILE, Manifest
from service.errors import ManifestError
from tests import factory


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return factory.publish(tmp_path)


def change(directory: Path, **fields: Any) -> None:
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_written_and_read_again(directory: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(directory)
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"contract": "1"}', "\ud800"])
def test_a_damaged_manifest(directory: Path, text: str) -> None:
    (directory / MANIFEST_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ManifestError, match="publish the version again"):
        Manifest.read(directory)


AGAIN = "publish the version again"
COUNTS = ({"errors": True, "count": 100}, {"errors": 1, "count": True}, {"errors": "1"}, 7)
OTHER: list[tuple[dict[str, Any], str]] = [
    ({"contract": "2"}, "has contract '2'"),
    *[({"files": files}, AGAIN) for files in ({}, [])],
    ({"self_test": {}}, AGAIN),
    ({"surprise": 1}, AGAIN),
    *[({"certain_from": threshold}, AGAIN) for threshold in ("1_0", 1e999)],
    *[({"metrics": {"verified": {FLOAT32_FILE: {"test": told}}}}, f"verified.*{AGAIN}") for told in COUNTS],
    *[({"recipe": {"accuracy_floor": floor}}, f"accuracy_floor.*{AGAIN}") for floor in (True, "0.9", None)],
]


@pytest.mark.parametrize(("fields", "said"), OTHER)
def test_a_manifest_with_other_fields(directory: Path, fields: dict[str, Any], said: str) -> None:
    change(directory, **fields)
    with pytest.raises(ManifestError, match=said):
        Manifest.read(directory)


@pytest.mark.parametrize("metrics", [{}, {"verified": {}}, {"verified": {FLOAT32_FILE: {"bytes": 1}}}])
def test_an_accuracy_that_is_not_known(directory: Path, metrics: Any) -> None:
    change(directory, metrics=metrics)
    assert Manifest.read(directory).accuracy(FLOAT32_FILE) is None


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        Manifest.read(tmp_path)


def test_a_file_is_checked_against_its_sum(directory: Path) -> None:
    manifest = Manifest.read(directory)
    content = (directory / FLOAT32_FILE).read_bytes()
    assert manifest.read_file(directory, FLOAT32_FILE) == content
    (directory / FLOAT32_FILE).write_bytes(content[:-1] + b"x")
    with pytest.raises(ManifestError, match="SHA-256"):
        manifest.read_file(directory, FLOAT32_FILE)


def test_a_file_that_is_not_listed(directory: Path) -> None:
    with pytest.raises(ManifestError, match="does not list"):
        Manifest.read(directory).read_file(directory, "other.onnx")
