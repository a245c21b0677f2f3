"""The images that are rolled out in turn, built as users do, but only with what differs."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from benchmarks.pictures.reader import newest_version
from service.contract import FLOAT32_FILE, INT8_FILE, MODEL_NAME, Manifest
from tests.deployment import image, run
from tests.server import ROOT

PROXY = image("proxy")

_NEW_MODEL = """
FROM {first}
RUN rm -r models/*
COPY --chown=10001:10001 models models
"""


@dataclass(frozen=True)
class Images:
    """Image names, and the model versions they serve."""

    first: str
    newer_code: str
    newer_model: str
    broken_model: str
    version: str
    newer_version: str

    @property
    def names(self) -> tuple[str, ...]:
        """All image names."""
        return self.first, self.newer_code, self.newer_model, self.broken_model


@contextmanager
def built() -> Iterator[Images]:
    """Build them with this machine's engine, and remove the names at the end."""
    name = f"digits-swarm-{os.getpid()}"
    newest = int(newest_version(ROOT / "models").name)
    images = Images(f"{name}:1", f"{name}:2", f"{name}:3", f"{name}:4", str(newest), str(newest + 1))
    try:
        run("docker", "build", "--quiet", "--tag", images.first, ".")
        _build(images.newer_code, f"FROM {images.first}\nLABEL newer=true\n")
        dockerfile = _NEW_MODEL.format(first=images.first)
        _build(images.newer_model, dockerfile, lambda models: _renumber(models, newest, newest + 1))
        _build(images.broken_model, dockerfile, lambda models: _break(_renumber(models, newest, newest + 2)))
        yield images
    finally:
        run("docker", "image", "rm", *(image for image in images.names if run("docker", "images", "--quiet", image)))


def _build(name: str, dockerfile: str, change: Callable[[Path], object] = lambda _models: None) -> None:
    """Build an image from a Dockerfile and a changed copy of the models."""
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        shutil.copytree(ROOT / "models", context / "models")
        change(context / "models")
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        run("docker", "build", "--quiet", "--tag", name, directory)


def _renumber(models: Path, version: int, newer: int) -> Path:
    """Give a version another number, in its manifest too; return its directory."""
    directory = (models / MODEL_NAME / str(version)).rename(models / MODEL_NAME / str(newer))
    replace(Manifest.read(directory), version=str(newer)).write(directory)
    return directory


def _break(directory: Path) -> None:
    """Truncate the models, so that their hashes are wrong."""
    for name in (FLOAT32_FILE, INT8_FILE):
        os.truncate(directory / name, (directory / name).stat().st_size // 2)
