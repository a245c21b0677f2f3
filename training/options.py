"""What a run is told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True)
class Options:
    """What a run is told besides its recipe and its data.

    `teacher` and `start` are run directories, of a teacher that is there and of the recipe that this one starts from.
    """

    name: str
    epochs: int
    seed: int
    device: Device
    mixed_precision: bool
    models: Path
    run_dir: Path
    resume: bool
    teacher: Path | None = None
    start: Path | None = None
