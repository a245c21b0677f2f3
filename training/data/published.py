"""The newest published version, to start from and compare with."""

from dataclasses import dataclass
from pathlib import Path

from service.contract import FLOAT32_FILE, Manifest
from service.errors import ModelError
from service.inference.engine import Engine


@dataclass(frozen=True)
class Published:
    """A version: its manifest, its float32 graph and an engine that runs it."""

    manifest: Manifest
    graph: bytes
    engine: Engine


def newest(versions: Path) -> Published | None:
    """Return the version with the highest number that is whole, None where there is none in `versions`, MODELS/NAME."""
    numbers = [entry.name for entry in versions.iterdir() if entry.name.isdecimal()] if versions.is_dir() else []
    for number in sorted(numbers, key=int, reverse=True):
        try:
            manifest = Manifest.read(versions / number)
            graph = manifest.read_file(versions / number, FLOAT32_FILE)
            return Published(manifest, graph, Engine.open(graph, file=FLOAT32_FILE))
        except ModelError:
            continue  # the service does not serve it either
    return None
