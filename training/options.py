"""Options of a training run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "gpu"]


@dataclass(frozen=True)
class Options:
    """Options of a run besides its recipe and data.

    `pools` keeps pictures for the next run; those of `pool_seed` serve every seed. Of `seeds` runs, with seeds from
    `seed` on, the one with the median validation loss is published. `teacher` and `start` are run directories of an
    existing teacher or starting point.
    """

    epochs: int
    seed: int
    pool_seed: int
    device: Device
    mixed_precision: bool
    models: Path
    run_dir: Path
    pools: Path
    resume: bool
    seeds: int = 1
    force: bool = False
    teacher: Path | None = None
    start: Path | None = None
