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


def test_another_contract(directory: Path) -> None:
    change(directory, contract="2")
    with pytest.raises(ManifestError, match="has contract '2'"):
        Manifest.read(directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"contract": "1"}', "\ud800"])
def test_a_damaged_manifest(directory: Path, text: str) -> None:
    (directory / MANIFEST_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ManifestError, match="publish the version again"):
        Manifest.read(directory)


@pytest.mark.parametrize(
    "fields",
    [
        {"files": {}},
        {"files": []},
        {"self_test": {}},
        {"surprise": 1},
        {"certain_from": "1_0"},
        {"certain_from": 1e999},
    ],
)
def test_a_manifest_with_other_fields(directory: Path, fields: dict[str, Any]) -> None:
    change(directory, **fields)
    with pytest.raises(ManifestError):
        Manifest.read(directory)


@pytest.mark.parametrize("counts", [{"errors": True, "count": 100}, {"errors": 1, "count": True}, {"errors": "1"}, 7])
def test_counts_that_are_no_numbers(directory: Path, counts: Any) -> None:
    change(directory, metrics={"verified": {FLOAT32_FILE: {"test": counts}}})
    with pytest.raises(ManifestError, match=r"verified.*publish the version again"):
        Manifest.read(directory)


@pytest.mark.parametrize("metrics", [{}, {"verified": {}}, {"verified": {FLOAT32_FILE: {"bytes": 1}}}])
def test_an_accuracy_that_is_not_known(directory: Path, metrics: Any) -> None:
    change(directory, metrics=metrics)
    assert Manifest.read(directory).accuracy(FLOAT32_FILE) is None


@pytest.mark.parametrize("floor", [True, "0.9", None])
def test_a_floor_that_is_no_number(directory: Path, floor: Any) -> None:
    change(directory, recipe={"accuracy_floor": floor})
    with pytest.raises(ManifestError, match=r"accuracy_floor.*publish the version again"):
        Manifest.read(directory)


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
