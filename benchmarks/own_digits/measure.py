"""One fine-tuning on some digits of a writer: errors on that hand and on MNIST, before and after."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.own_digits import writers
from benchmarks.own_digits.writers import Writer
from benchmarks.pictures.reader import newest_version
from service.contract import FLOAT32_FILE, MODEL_NAME, Manifest
from service.inference.engine import open_version
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_digit

JUDGED = 1_000  # digits of the hand that are not learnt
_MOST_PIXELS = 1_000_000
_LEARNT, _HELD_OUT = 3, 7  # streams of random numbers


class Errors(NamedTuple):
    """Misread digits before and after, of `count`."""

    before: int
    after: int
    count: int


class Result(NamedTuple):
    """A fine-tuning on `given` digits, some of which the training holds out; `seconds` is for the whole command."""

    writer: str
    given: int
    learnt: int
    hand: Errors
    validation: Errors
    test: Errors
    seconds: float


def measure(writer: Writer, given: int, *, models: Path, data: Path, out: Path) -> Result:
    """Fine-tune the newest version in `models` in a copy below `out`, unless done already; compare the two.

    Raises:
        CalledProcessError: the training published nothing; its output says why.
    """
    before = newest_version(models)
    directory = out / f"{writer.name}-{given}-from-{before.name}"
    log = directory / "log.txt"
    if not log.exists():
        shutil.rmtree(directory, ignore_errors=True)
        _write_digits(writer, given, directory / "digits")
        shutil.copytree(before, directory / "models" / MODEL_NAME / before.name)
        seconds, said = _train(data, directory)
        log.write_text(f"{said}\n{seconds:.1f} s\n", encoding="utf-8")
    after = newest_version(directory / "models")
    seconds = float(re.findall(r"^([\d.]+) s$", log.read_text(encoding="utf-8"), re.MULTILINE)[-1])
    found = Manifest.read(after).metrics
    images, labels = hand(writer)
    misread = (_misread(version, images, labels) for version in (before, after))
    of_test = (Manifest.read(each).metrics["verified"][FLOAT32_FILE]["test"]["errors"] for each in (before, after))
    return Result(
        writer.name,
        given,
        found["own"]["learnt"],
        Errors(*misread, len(labels)),
        Errors(found["own"]["validation"]["before"], found["validation"]["errors"], found["validation"]["count"]),
        Errors(*of_test, 10_000),
        seconds,
    )


def hand(writer: Writer) -> tuple[np.ndarray, np.ndarray]:
    """Return digits that no training uses, as the service sees them: uint8 [1000, 28, 28], and labels."""
    digits = [_digit(writer, _HELD_OUT, number) for number in range(JUDGED)]
    images = [canonical_digit(decode(content, max_pixels=_MOST_PIXELS)) for content, _ in digits]
    return np.stack(images), np.array([label for _, label in digits])


def _digit(writer: Writer, stream: int, number: int) -> tuple[bytes, int]:
    random = np.random.default_rng([writers.WRITERS.index(writer), stream, number])
    label = int(random.integers(10))
    return writers.png(writer, label, random), label


def _write_digits(writer: Writer, count: int, directory: Path) -> None:
    for number in range(count):
        content, label = _digit(writer, _LEARNT, number)
        place = directory / str(label) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _train(data: Path, directory: Path) -> tuple[float, str]:
    arguments = ["--recipe", "fine-tune", "--device", "cpu", "--data", data, "--extra", directory / "digits"]
    arguments += ["--models", directory / "models", "--run-dir", directory / "run"]
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    started = time.monotonic()
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.monotonic() - started, said


def _misread(version: Path, images: np.ndarray, labels: np.ndarray) -> int:
    engine = open_version(version, Manifest.read(version), provider="cpu")
    return int(np.sum(engine.run(images).argmax(axis=1) != labels))
