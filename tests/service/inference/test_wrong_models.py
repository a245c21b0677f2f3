"""Models that must not serve, although their manifests are right: the previous version keeps serving."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from service.contract import FLOAT32_FILE, MANIFEST_FILE, Manifest
from service.inference.engine import Engine, open_version
from service.inference.store import ModelStore
from service.settings import Settings
from tests import factory

SWAPPED = [0, 1, 2, 3, 9, 5, 6, 7, 8, 4]


def after(models: Path, told: list[str]) -> ModelStore:
    """Return a store that has refreshed; `told` receives the codes of rejected versions."""
    settings = Settings(models_dir=models, provider="cpu")
    store = ModelStore(settings, lambda serving: told.append(serving) if isinstance(serving, str) else None)
    store.refresh()
    return store


def refusal(models: Path) -> tuple[str, str]:
    """Return the code and the reason why the newest version was rejected, while version 1 serves."""
    told: list[str] = []
    store = after(models, told)
    assert store.serving
    assert store.serving.manifest.version == "1"
    newest = store.versions()[0]
    assert not newest.serves
    assert str(models) not in newest.reason
    assert " /" not in f" {newest.reason}"
    [code] = told
    return code, newest.reason


def centred_on_the_batch() -> onnx.ModelProto:
    proto = factory.graph()
    softmax = next(node for node in proto.graph.node if node.op_type == "Softmax")
    place = list(proto.graph.node).index(softmax)
    proto.graph.node.insert(place, helper.make_node("ReduceMean", ["logits"], ["mean"], axes=[0]))
    proto.graph.node.insert(place + 1, helper.make_node("Sub", ["logits", "mean"], ["centred"]))
    proto.graph.node[place + 2].input[0] = "centred"
    return proto


WRONG: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    **{f"untrained {seed}": (lambda seed=seed: factory.untrained(seed), "not a trained model") for seed in range(2)},
    "two digits swapped": (lambda: factory.graph(order=SWAPPED), "none of the digit 4"),
    "always the same": (lambda: factory.changed(weights=np.zeros((784, 40))), "not a trained model"),
    "ink for paper": (lambda: factory.changed(weights=-_weights(), biases=np.zeros(40)), "not a trained model"),
    "not a number": (lambda: factory.changed(biases=np.full(40, np.nan)), "self-test differs"),
    "no probabilities": (lambda: factory.changed(members=3 * _members()), "not probabilities"),
    "less than no probability": (lambda: factory.changed(members=_members() * 1.5 - 0.05), "not probabilities"),
    "looks at its neighbours": (centred_on_the_batch, "what shares its batch"),
}


def _weights() -> Any:
    return onnx.numpy_helper.to_array(factory.graph().graph.initializer[0])


def _members() -> Any:
    return onnx.numpy_helper.to_array(factory.graph().graph.initializer[2])


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_with_a_consistent_manifest_is_rejected(models_dir: Path, name: str) -> None:
    make, words = WRONG[name]
    factory.publish(models_dir, 2, promised=factory.content_of(make()))
    code, reason = refusal(models_dir)
    assert code == "self_test_failed"
    assert words in reason


def damaged(models: Path, damage: Callable[[Path], object]) -> Path:
    directory = factory.publish(models, 2)
    damage(directory)
    return directory


def overwrite(directory: Path, content: bytes) -> None:
    (directory / FLOAT32_FILE).write_bytes(content)


def make_pipe(directory: Path) -> None:
    (directory / FLOAT32_FILE).unlink()
    os.mkfifo(directory / FLOAT32_FILE)


def fields(directory: Path, **changes: Any) -> None:
    path = directory / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def self_test(directory: Path, **changes: Any) -> None:
    told = json.loads((directory / MANIFEST_FILE).read_text())["self_test"]
    fields(directory, self_test={**told, **changes})


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


FILE = {"sha256": "0" * 64, "size": 1}
DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda found: overwrite(found, factory.model()[:-1000]), "SHA-256"),
    "one bit flipped": (lambda found: overwrite(found, flipped(factory.model())), "SHA-256"),
    "longer": (lambda found: overwrite(found, factory.model() + b"x"), "are allowed"),
    "empty": (lambda found: overwrite(found, b""), "SHA-256"),
    "a pipe": (make_pipe, "not a regular file"),
    "a directory": (
        lambda found: ((found / FLOAT32_FILE).unlink(), (found / FLOAT32_FILE).mkdir()),
        "it is not a regular file",
    ),
    "of another version": (lambda found: fields(found, version="3"), "but in mnist-dmlp/2"),
    "of another model": (lambda found: fields(found, name="letters"), "letters/2"),
    "never certain of a number": (lambda found: fields(found, certain_from="0.9"), "certain_from"),
    "never certain at all": (lambda found: fields(found, certain_from=1.01), "certain_from"),
    "certain from NaN": (lambda found: fields(found, certain_from=float("nan")), "certain_from"),
    "nested without an end": (lambda found: (found / MANIFEST_FILE).write_text("[" * 100_000), "damaged"),
    "a link to itself": (lambda found: link_to_itself(found / MANIFEST_FILE), "cannot be read"),
    "512 MB of nothing": (lambda found: os.truncate(found / FLOAT32_FILE, 512 << 20), "are allowed"),
    "a manifest of 64 MB": (lambda found: (found / MANIFEST_FILE).write_text(" " * (64 << 20)), ""),
    "a self-test of no images": (lambda found: self_test(found, count=0), ""),
    "a self-test of a billion images": (lambda found: self_test(found, count=10**9), ""),
    "a file outside the version": (lambda found: fields(found, files={"../1/model.onnx": FILE}), ""),
    "under its own floor": (
        lambda found: fields(
            found,
            recipe={"accuracy_floor": 0.97},
            metrics={"verified": {FLOAT32_FILE: {"test": {"errors": 301, "count": 10_000}}}},
        ),
        "reads 96.99%, under the floor of 97.00%",
    ),
}


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_version(models_dir: Path, name: str) -> None:
    damage, words = DAMAGED[name]
    damaged(models_dir, damage)
    code, reason = refusal(models_dir)
    assert code == "manifest_error"
    assert words in reason


def test_external_weights_are_rejected(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime would look for them in the working directory."""
    proto = factory.graph()
    onnx.external_data_helper.convert_model_to_external_data(proto, location="weights", size_threshold=0)
    monkeypatch.chdir(models_dir)
    onnx.external_data_helper.write_external_data_tensors(proto, ".")
    assert Path("weights").stat().st_size > 100_000
    factory.publish(models_dir, 2, content=factory.content_of(proto))
    code, reason = refusal(models_dir)
    assert code == "contract_error"
    assert "external data" in reason.lower()


def test_a_trained_model_with_full_metadata_serves(models_dir: Path) -> None:
    def say(told: dict[str, Any]) -> None:
        told["recipe"] = {"accuracy_floor": 0.97}
        told["metrics"] = {"verified": {FLOAT32_FILE: {"test": {"errors": 300, "count": 10_000}}}}

    factory.publish(models_dir, 2, edit=say)
    store = after(models_dir, [])
    assert store.serving
    assert store.serving.manifest.version == "2"


@pytest.mark.parametrize(("seconds", "opened", "serves"), [(0.0, 2, True), (60.0, 1, False)])
def test_transient_failures_are_retried(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, opened: int, serves: bool
) -> None:
    errors: list[Exception] = [MemoryError("short for a moment")]

    def open_next(directory: Path, manifest: Manifest, **_: Any) -> Engine:
        calls.append(directory)
        if errors:
            raise errors.pop()
        return open_version(directory, manifest, provider="cpu")

    calls: list[Path] = []
    monkeypatch.setattr("service.inference.store._RETRY_SECONDS", seconds)
    monkeypatch.setattr("service.inference.store.open_version", open_next)
    store = ModelStore(Settings(models_dir=models_dir, provider="cpu"))
    for _ in range(3):
        store.refresh()
    assert (len(calls), store.serving is not None) == (opened, serves)
