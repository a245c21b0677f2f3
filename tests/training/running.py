"""Start and interrupt a training pipeline in tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training import drawn
from training.fitting.run import Run
from training.options import Options


def options(directory: Path, **changes: Any) -> Options:
    """Return the options of a CPU training in `directory`, with `changes`."""
    given = Options(
        epochs=drawn.RECIPE.epochs,
        seed=1,
        pool_seed=1,
        device="cpu",
        mixed_precision=False,
        models=directory / "models",
        run_dir=directory / "run",
        pools=directory / "pools",
        resume=False,
    )
    return replace(given, **changes)


@contextmanager
def interrupted(after: int, within: str | None = None) -> Iterator[None]:
    """Press Ctrl-C once a training has saved this epoch, and check that it stops.

    `within` limits this to the run in the directory of that name.
    """
    save = Run.save

    def save_then_stop(self: Run, model: Any, history: list[dict[str, float]]) -> None:
        save(self, model, history)
        if len(history) == after and within in (None, self.directory.name):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            yield
