import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server import ROOT, children, until
from training.data.mnist import Mnist
from training.data.targets import NO_DIGIT
from training.errors import RunError, TrainingError
from training.recipe import Mixture
from training.synthesis import makers, pool, store
from training.synthesis.pictures import ALIKE, KINDS, TRAINING, VALIDATION

MAKES_MANY = """
import sys
from pathlib import Path
from tests.training import drawn
from training.recipe import Mixture
from training.synthesis import pool

if __name__ == "__main__":
    pool.open_or_make(
        Path(sys.argv[1]), Mixture(), drawn.mnist(), seed=1, processes=2,
        progress=lambda done, _: done and print("some are made", flush=True),
    )
"""
pytestmark = pytest.mark.slow

MIXTURE = Mixture(share=0.4, renderings=320, forms=60, outliers=60, held_out=30)
SMALL = Mixture(renderings=4, forms=4, outliers=4, held_out=4)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pools")


@pytest.fixture(scope="module")
def made(data: Mnist, pools: Path) -> pool.Pool:
    return pool.open_or_make(pools, MIXTURE, data, seed=1, processes=1)


def check_same(found: pool.Pool, expected: pool.Pool) -> None:
    assert found.counts() == expected.counts()
    for kind, part in expected.parts.items():
        np.testing.assert_array_equal(found.parts[kind].images, part.images)
        np.testing.assert_array_equal(found.parts[kind].labels, part.labels)


def told_by(pools: Path, mixture: Mixture, data: Mnist, **options: Any) -> tuple[pool.Pool, list[tuple[int, int]]]:
    """Return the pool and the messages while it was made."""
    told: list[tuple[int, int]] = []
    given = {"seed": 1, "progress": lambda *counts: told.append(counts)} | options
    return pool.open_or_make(pools, mixture, data, **given), told


def test_a_pool_holds_the_mixture_minus_rejected_pictures(made: pool.Pool) -> None:
    asked = dict(zip(KINDS, (320, 60, 60, 300, 30, 30, 0), strict=True))
    for kind, count in list(asked.items())[:-1]:
        part = made.parts[kind]
        assert (part.images.shape, part.images.dtype) == ((len(part.labels), 28, 28), np.uint8)
        assert part.labels.dtype == np.uint8
        assert len(part.labels) + part.refused == count
        assert made.counts()[kind] == {"count": len(part.labels), "refused": part.refused}
        assert len(part.labels) > 0.5 * count
        found = set(part.labels.tolist())
        assert found == {NO_DIGIT} if kind.endswith("outliers") else found <= set(range(NO_DIGIT))
    training = made.training
    assert len(training.images) == len(training.labels) == sum(len(made.parts[kind].labels) for kind in TRAINING)
    assert {0, NO_DIGIT} <= set(training.labels.tolist())
    for kind, held_out in zip(TRAINING, VALIDATION, strict=True):
        first, second = ({image.tobytes() for image in made.parts[name].images} for name in (kind, held_out))
        assert not first & second


def test_renderings_show_their_digits(made: pool.Pool, data: Mnist) -> None:
    """The canonical form of most renderings is nearest to the digit of its label."""
    means = np.stack([data.train_images[data.train_labels == label].mean(axis=0) for label in range(10)])
    part = made.parts["renderings"]
    unlike = ((part.images[:, None] / 255 - means[None] / 255) ** 2).sum(axis=(2, 3))
    assert np.mean(unlike.argmin(axis=1) == part.labels) > 0.5


def test_the_number_of_processes_changes_nothing(tmp_path: Path, made: pool.Pool, data: Mnist) -> None:
    found, told = told_by(tmp_path, MIXTURE, data, processes=2)
    check_same(found, made)
    assert told[-1] == (800, 800)
    assert sorted(told) == told


def test_a_second_run_makes_nothing_new(pools: Path, made: pool.Pool, data: Mnist) -> None:
    found, told = told_by(pools, MIXTURE, data)
    check_same(found, made)
    assert told == []


def test_a_larger_pool_begins_with_a_smaller_one_and_makes_only_the_rest(
    pools: Path, tmp_path: Path, made: pool.Pool, data: Mnist
) -> None:
    larger = Mixture(share=0.4, renderings=600, forms=60, outliers=60, held_out=30)
    extended, told = told_by(pools, larger, data)
    assert told[-1] == (350, 350), "250 are kept; 70 were part of the next 250"
    check_same(extended, pool.open_or_make(tmp_path, larger, data, seed=1, processes=1))
    for kind, part in made.parts.items():
        np.testing.assert_array_equal(extended.parts[kind].images[: len(part.images)], part.images)


@pytest.mark.parametrize("changed", ["seed", "digits", "preprocessing"])
def test_the_name_depends_on_what_makes_it(
    tmp_path: Path, data: Mnist, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    pool.open_or_make(tmp_path, SMALL, data, seed=1)
    if changed == "digits":
        data = replace(data, sha256=dict(data.sha256) | {"train-images": "0"})
    if changed == "preprocessing":
        (tmp_path / "sources").mkdir()
        (tmp_path / "sources" / "steps.py").write_text("")
        monkeypatch.setattr(store, "_SOURCES", (tmp_path / "sources",))
    _, told = told_by(tmp_path, SMALL, data, seed=2 if changed == "seed" else 1)
    assert told[-1] == (24, 24), "all is made again"


def test_letters_resembling_a_digit_are_learnt_too(pools: Path, made: pool.Pool, data: Mnist) -> None:
    found = pool.open_or_make(pools, replace(MIXTURE, alike=40), data, seed=1)
    letters = found.parts[ALIKE]
    assert len(letters.labels) + letters.refused == 40
    assert letters.labels.min() > NO_DIGIT
    assert len(found.training.labels) == len(made.training.labels) + len(letters.labels)


def test_another_seed_makes_other_pictures(tmp_path: Path, made: pool.Pool, data: Mnist) -> None:
    other = pool.open_or_make(tmp_path, SMALL, data, seed=2)
    assert np.any(other.parts["forms"].images[:2] != made.parts["forms"].images[:2])


def test_pool_processes_end_with_a_killed_training(tmp_path: Path) -> None:
    program = tmp_path / "makes_many.py"
    program.write_text(MAKES_MANY)
    command = [sys.executable, str(program), str(tmp_path / "pools")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == b"some are made\n"
        found = children(training.pid)
        assert len(found) >= 2
        training.kill()
    until(lambda: not any(map(runs, found)), 20, "the end of its processes")
    (kept,) = (tmp_path / "pools").iterdir()
    chunks = list(kept.glob("renderings-*.npz"))
    assert chunks
    assert all(len(np.load(chunk)["images"]) > 100 for chunk in chunks)


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_killed_pool_process_is_reported(tmp_path: Path, data: Mnist, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = makers._watch

    def kill_one_and_watch(running: Any, *more: Any) -> None:
        running[0].kill()
        watch(running, *more)

    monkeypatch.setattr(makers, "_watch", kill_one_and_watch)
    with pytest.raises(TrainingError, match="was killed: free some memory and start again; finished pictures are kept"):
        pool.open_or_make(tmp_path, MIXTURE, data, seed=1, processes=2)


def test_a_process_that_cannot_start_is_an_error_of_the_system(
    tmp_path: Path, data: Mnist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_process: Any) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", fail)
    with pytest.raises(OSError, match="temporarily unavailable"):
        pool.open_or_make(tmp_path, MIXTURE, data, seed=1, processes=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full, which is always full")
def test_a_full_disk_is_reported(tmp_path: Path, data: Mnist) -> None:
    directory = store.Store.open(tmp_path, data, 1).directory
    (directory / f"new-{os.getpid()}-forms-000000-4.npz").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        pool.open_or_make(tmp_path, SMALL, data, seed=1, processes=1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_a_damaged_file_is_reported(tmp_path: Path, data: Mnist, content: bytes) -> None:
    pool.open_or_make(tmp_path, SMALL, data, seed=1)
    (path,) = tmp_path.glob("*/forms-000000-4.npz")
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        pool.open_or_make(tmp_path, SMALL, data, seed=1)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert "delete it and start again" in str(caught.value)
