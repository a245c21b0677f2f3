"""Defects of a published version."""

import hashlib
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
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
    named = [*_FILES, *map(_field, _FIELDS), *map(_model, _MODELS)]
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


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _append(path: Path, more: bytes) -> None:
    path.write_bytes(path.read_bytes() + more)


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def _swap_for_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _swap_for_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _swap_for_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


_FILES = (
    Defect("no manifest", lambda version: (version / MANIFEST_FILE).unlink()),
    Defect("no model", lambda version: (version / FLOAT32_FILE).unlink()),
    Defect("nothing at all", _empty),
    Defect("an empty manifest", lambda version: _cut(version / MANIFEST_FILE, 0)),
    Defect("an empty model", lambda version: _cut(version / FLOAT32_FILE, 0)),
    Defect("half a manifest", lambda version: _cut(version / MANIFEST_FILE, 300)),
    Defect("half a model", lambda version: _cut(version / FLOAT32_FILE, 9000)),
    Defect("a model a byte longer", lambda version: _append(version / FLOAT32_FILE, b"x")),
    Defect("a manifest that is a list", lambda version: (version / MANIFEST_FILE).write_text("[]")),
    Defect("a manifest that is null", lambda version: (version / MANIFEST_FILE).write_text("null")),
    Defect("a manifest of bytes", lambda version: (version / MANIFEST_FILE).write_bytes(bytes(range(256)))),
    Defect("a manifest nested deeply", lambda version: (version / MANIFEST_FILE).write_text("[" * 100_000)),
    Defect("a manifest of 64 MB", lambda version: (version / MANIFEST_FILE).write_text(" " * (64 << 20))),
    Defect("a directory for a model", lambda version: _swap_for_directory(version / FLOAT32_FILE)),
    Defect("a directory for a manifest", lambda version: _swap_for_directory(version / MANIFEST_FILE)),
    Defect("a link to nothing", lambda version: _swap_for_link(version / FLOAT32_FILE, "nothing")),
    Defect("a link to itself", lambda version: _swap_for_link(version / MANIFEST_FILE, MANIFEST_FILE)),
    Defect("a model of 512 MB of nothing", lambda version: os.truncate(version / FLOAT32_FILE, 512 << 20)),
    Defect("a pipe for a model", lambda version: _swap_for_pipe(version / FLOAT32_FILE)),
    Defect("a pipe for a manifest", lambda version: _swap_for_pipe(version / MANIFEST_FILE)),
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


def _field(entry: tuple[str, Callable[[dict[str, Any]], object]]) -> Defect:
    name, change = entry
    return Defect(f"a manifest with {name}", lambda version: _edit(version, change))


def _model(entry: tuple[str, Callable[[], bytes]]) -> Defect:
    name, make = entry
    return Defect(f"a model with {name}", lambda version: _replace_model(version, make()))


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
