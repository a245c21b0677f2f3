"""Publishing is interrupted at every step, like SQLite's I/O error tests (https://sqlite.org/testing.html)."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.hardening.score import Score
from service.contract import MODEL_NAME
from service.inference.store import ModelStore
from service.settings import Settings
from tests import factory
from tests.server import ROOT

TITLE = "publishing interrupted at every step: disk full, I/O error, kill -9"
EXPECTED = "the old version or the new one is whole, never neither, never half; the next publication succeeds"

_FAULTS = ("ENOSPC", "EIO", "kill")


def run(score: Score) -> None:
    """Interrupt publishing at each file system call, and at several file sizes."""
    with tempfile.TemporaryDirectory() as scratch:
        source = factory.publish(Path(scratch) / "source", 2)
        factory.publish(Path(scratch) / "whole")
        steps = int(_publish(Path(scratch) / "whole", source, "none", 0).stdout)
        largest = max(path.stat().st_size for path in source.iterdir())
        calls = [(fault, step) for fault in _FAULTS for step in range(steps)]
        sizes = [(fault, size) for fault in ("full", "kill-full") for size in range(0, largest, largest // 40)]
        cases = calls + sizes
        for number, (fault, at) in enumerate(score.rng.sample(cases, min(len(cases), score.choose(24, len(cases))))):
            _interrupt(score, Path(scratch) / f"models{number}", source, fault, at)
    score.note(
        f"{steps} calls to the file system, each with {', '.join(_FAULTS)}; files cut at {len(sizes) // 2} sizes"
    )


def _publish(models: Path, source: Path, fault: str, at: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.hardening.publisher", str(models), str(source), fault, str(at)]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False, timeout=60)


def _interrupt(score: Score, models: Path, source: Path, fault: str, at: int) -> None:
    factory.publish(models)
    result = _publish(models, source, fault, at)
    found = sorted(path.name for path in (models / MODEL_NAME).iterdir() if path.name.isdecimal())
    served = _served(models)
    name = f"{fault} at {at}"
    score.check(served == found[-1] and found in (["1"], ["1", "2"]), f"{name}: {found} are there, {served} is served")
    said = result.returncode == 0
    score.check(not said or found == ["1", "2"], f"{name}: said to be published, and is not")
    again = _publish(models, source, "none", 0)
    newest = str(len(found) + 1)
    score.check(again.returncode == 0 and _served(models) == newest, f"{name}: then no other can be published")


def _served(models: Path) -> str:
    """Return the version that the service would serve, empty if none, `refused` if one was rejected."""
    refused: list[None] = []
    settings = Settings(models_dir=models, provider="cpu")
    store = ModelStore(settings, lambda serving: refused.append(None) if isinstance(serving, str) else None)
    store.refresh()
    return "refused" if refused else store.serving.manifest.version if store.serving else ""
