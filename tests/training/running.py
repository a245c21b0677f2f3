"""Start and interrupt a training pipeline in tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.contract import MODEL_NAME
from tests.training import drawn
from training.fitting.run import Run
from training.options import Options


def options(directory: Path, **changes: Any) -> Options:
    """Return what a pipeline is told to train on a CPU in `directory`, with `changes`."""
    given = Options(
        name=MODEL_NAME,
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
    """Press Ctrl-C when a training has saved its epoch of that number, and see that it ends by that.

    `within` is the name of the run's directory, where only that run's epochs are meant.
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
