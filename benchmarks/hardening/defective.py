"""Defects of a published version."""

import hashlib
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from service.contract import FLOAT32_FILE, MANIFEST_FILE, MODEL_NAME
from tests import factory


@dataclass(frozen=True)
class Defect:
    """A change to a good version before it is published."""

    name: str
    apply: Callable[[Path], object]


def publish(models: Path, number: int, defect: Defect) -> None:
    """Publish a defective version by a rename, as publishing does."""
    staging = models / ".staging"
    good = factory.publish(staging, number)
    defect.apply(good)
    good.rename(models / MODEL_NAME / str(number))


def defects(rng: random.Random, count: int) -> list[Defect]:
    """Return `count` defects: each named one once, then random ones."""
    named = [
        *(Defect(name, change) for name, change in _VERSIONS),
        *(Defect(f"a manifest with {name}", partial(_edit, change=change)) for name, change in _FIELDS),
        *(Defect(f"a model with {name}", partial(_make_model, make=make)) for name, make in _MODELS),
    ]
    drawn = [_drawn(rng, number) for number in range(max(0, count - len(named)))]
    return (rng.sample(named, len(named)) + drawn)[:count]


def _edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / MANIFEST_FILE
    fields = json.loads(path.read_text(encoding="utf-8"))
    change(fields)
    path.write_text(json.dumps(fields), encoding="utf-8")


def _replace_model(directory: Path, content: bytes) -> None:
    """Replace the model, and update its hash in the manifest."""
    (directory / FLOAT32_FILE).write_bytes(content)
    record = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    _edit(directory, lambda fields: fields["files"].update({FLOAT32_FILE: record}))


def _make_model(directory: Path, make: Callable[[], bytes]) -> None:
    _replace_model(directory, make())


def _lengthen(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 1)


def _swap(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


_VERSIONS: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("no manifest", lambda version: (version / MANIFEST_FILE).unlink()),
    ("no model", lambda version: (version / FLOAT32_FILE).unlink()),
    ("nothing at all", lambda version: [path.unlink() for path in version.iterdir()]),
    ("an empty manifest", lambda version: os.truncate(version / MANIFEST_FILE, 0)),
    ("an empty model", lambda version: os.truncate(version / FLOAT32_FILE, 0)),
    ("half a manifest", lambda version: os.truncate(version / MANIFEST_FILE, 300)),
    ("half a model", lambda version: os.truncate(version / FLOAT32_FILE, 9000)),
    ("a model a byte longer", lambda version: _lengthen(version / FLOAT32_FILE)),
    ("a manifest that is a list", lambda version: (version / MANIFEST_FILE).write_text("[]")),
    ("a manifest that is null", lambda version: (version / MANIFEST_FILE).write_text("null")),
    ("a manifest of bytes", lambda version: (version / MANIFEST_FILE).write_bytes(bytes(range(256)))),
    ("a manifest nested deeply", lambda version: (version / MANIFEST_FILE).write_text("[" * 100_000)),
    ("a manifest of 64 MB", lambda version: (version / MANIFEST_FILE).write_text(" " * (64 << 20))),
    ("a directory for a model", lambda version: _swap(version / FLOAT32_FILE, Path.mkdir)),
    ("a directory for a manifest", lambda version: _swap(version / MANIFEST_FILE, Path.mkdir)),
    ("a link to nothing", lambda version: _swap(version / FLOAT32_FILE, lambda path: path.symlink_to("nothing"))),
    ("a link to itself", lambda version: _swap(version / MANIFEST_FILE, lambda path: path.symlink_to(path.name))),
    ("a model of 512 MB of nothing", lambda version: os.truncate(version / FLOAT32_FILE, 512 << 20)),
    ("a pipe for a model", lambda version: _swap(version / FLOAT32_FILE, os.mkfifo)),
    ("a pipe for a manifest", lambda version: _swap(version / MANIFEST_FILE, os.mkfifo)),
)

_FIELDS: tuple[tuple[str, Callable[[dict[str, Any]], object]], ...] = (
    ("another contract", lambda fields: fields.update(contract="99")),
    ("another name", lambda fields: fields.update(name="other")),
    ("another version", lambda fields: fields.update(version="77")),
    ("no files", lambda fields: fields.update(files={})),
    (
        "a model that lies elsewhere",
        lambda fields: fields.update(files={"../1/model.onnx": fields["files"][FLOAT32_FILE]}),
    ),
    ("a wrong hash", lambda fields: fields["files"][FLOAT32_FILE].update(sha256="0" * 64)),
    ("a wrong size", lambda fields: fields["files"][FLOAT32_FILE].update(size=1)),
    ("a size that is a text", lambda fields: fields["files"][FLOAT32_FILE].update(size="large")),
    ("no self-test", lambda fields: fields.update(self_test=None)),
    ("a self-test of another model", lambda fields: _turn(fields["self_test"]["expected"][FLOAT32_FILE])),
    ("a self-test of no images", lambda fields: fields["self_test"].update(count=0)),
    ("a self-test of a billion images", lambda fields: fields["self_test"].update(count=10**9)),
    ("a self-test of text", lambda fields: fields["self_test"]["expected"].update({FLOAT32_FILE: "all well"})),
    ("a threshold of text", lambda fields: fields.update(certain_from="often")),
    ("a threshold beyond 1", lambda fields: fields.update(certain_from=7)),
    *(
        (f"no {name}", lambda fields, name=name: fields.pop(name))
        for name in ("contract", "files", "self_test", "name")
    ),
)

_MODELS: tuple[tuple[str, Callable[[], bytes]], ...] = (
    ("no model", lambda: b"no model"),
    ("another contract", lambda: factory.model(contract="99")),
    ("other labels", lambda: factory.model(labels="a,b")),
    ("another output", lambda: factory.model(output="logits")),
    ("another input", lambda: factory.model(side=14)),
    ("a fixed batch", lambda: factory.model(batch=1)),
)


def _turn(rows: list[list[float]]) -> None:
    for row in rows:
        row.insert(0, row.pop())


def _drawn(rng: random.Random, number: int) -> Defect:
    """Return a random defect: a file is cut or changed; for half of them the hash in the manifest is updated."""
    cut, vouched, place = rng.random() < 0.5, rng.random() < 0.5, rng.random()
    value = rng.randrange(1, 256)

    def apply(version: Path) -> None:
        content = bytearray((version / FLOAT32_FILE).read_bytes())
        at = int(place * len(content))
        if cut:
            del content[at:]
        else:
            # A few changed bytes may escape the self-test; 400 in a row do not.
            content[at : at + 400] = bytes(byte ^ value for byte in content[at : at + 400])
        if vouched:
            _replace_model(version, bytes(content))
        else:
            (version / FLOAT32_FILE).write_bytes(content)

    done = "cut" if cut else "changed"
    return Defect(f"{number}: {done} at {place:.0%}{', hash updated' if vouched else ''}", apply)
