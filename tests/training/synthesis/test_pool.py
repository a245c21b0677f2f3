import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.server import ROOT, children
from training.data.mnist import NO_DIGIT, Mnist
from training.errors import RunError
from training.recipe import Mixture
from training.synthesis import pool

MAKES_MANY = """
from tests.training import drawn
from training.synthesis import pool
from training.recipe import Mixture
pool.make(Mixture(), drawn.mnist(), seed=1, processes=2, progress=lambda *_: print("some are made", flush=True))
"""
MIXTURE = Mixture(share=0.4, renderings=320, forms=60, outliers=60, held_out=30)


@pytest.fixture(scope="module")
def made(data: Mnist) -> pool.Pool:
    return pool.make(MIXTURE, data, seed=1, processes=1)


def check_same(found: pool.Pool, expected: pool.Pool) -> None:
    assert found.counts() == expected.counts()
    for kind, part in expected.parts.items():
        np.testing.assert_array_equal(found.parts[kind].images, part.images)
        np.testing.assert_array_equal(found.parts[kind].labels, part.labels)


def test_a_pool_holds_what_the_mixture_says_less_what_is_refused(made: pool.Pool) -> None:
    asked = dict(zip((*pool.TRAINING, *pool.VALIDATION), (320, 60, 60, 300, 30, 30), strict=True))
    for kind, count in asked.items():
        part = made.parts[kind]
        assert (part.images.shape, part.images.dtype) == ((len(part.labels), 28, 28), np.uint8)
        assert part.labels.dtype == np.uint8
        assert len(part.labels) + part.refused == count
        assert made.counts()[kind] == {"count": len(part.labels), "refused": part.refused}
        assert len(part.labels) > 0.5 * count


def test_labels_are_digits_and_outliers_have_none(made: pool.Pool) -> None:
    for kind, part in made.parts.items():
        found = set(part.labels.tolist())
        assert found == {NO_DIGIT} if kind.endswith("outliers") else found <= set(range(NO_DIGIT))


def test_training_is_all_of_its_kinds(made: pool.Pool) -> None:
    training = made.training
    assert len(training.images) == len(training.labels) == sum(len(made.parts[kind].labels) for kind in pool.TRAINING)
    assert {0, NO_DIGIT} <= set(training.labels.tolist())


def test_renderings_show_their_digits(made: pool.Pool, data: Mnist) -> None:
    """The canonical form of a rendering is, as a rule, nearest to the digit of its label."""
    means = np.stack([data.train_images[data.train_labels == label].mean(axis=0) for label in range(10)])
    part = made.parts["renderings"]
    unlike = ((part.images[:, None] / 255 - means[None] / 255) ** 2).sum(axis=(2, 3))
    assert np.mean(unlike.argmin(axis=1) == part.labels) > 0.5


def test_the_number_of_processes_changes_nothing(made: pool.Pool, data: Mnist) -> None:
    told: list[tuple[int, int]] = []
    check_same(pool.make(MIXTURE, data, seed=1, processes=2, progress=lambda *count: told.append(count)), made)
    assert told[-1] == (800, 800)
    assert sorted(told) == told


def test_another_seed_makes_another_pool(made: pool.Pool, data: Mnist) -> None:
    small = Mixture(renderings=5, forms=5, outliers=5, held_out=5)
    other = pool.make(small, data, seed=2, processes=1)
    assert np.any(other.parts["forms"].images[:2] != made.parts["forms"].images[:2])


def test_a_larger_pool_begins_with_a_smaller_one(made: pool.Pool, data: Mnist) -> None:
    told: list[tuple[int, int]] = []
    larger = Mixture(share=0.4, renderings=400, forms=70, outliers=60, held_out=30)
    extended = pool.make(larger, data, seed=1, known=made, processes=1, progress=lambda *count: told.append(count))
    assert told[-1] == (90, 90)
    check_same(extended, pool.make(larger, data, seed=1, processes=1))
    for kind, part in made.parts.items():
        np.testing.assert_array_equal(extended.parts[kind].images[: len(part.images)], part.images)


def test_a_smaller_pool_is_made_by_itself(made: pool.Pool, data: Mnist) -> None:
    smaller = Mixture(share=0.4, renderings=400, forms=20, outliers=60, held_out=30)
    found = pool.make(smaller, data, seed=1, known=made, processes=1)
    assert found.parts["forms"].tried == 20
    np.testing.assert_array_equal(
        found.parts["forms"].images, made.parts["forms"].images[: len(found.parts["forms"].labels)]
    )


def test_training_and_validation_share_no_picture(made: pool.Pool) -> None:
    for kind, held_out in zip(pool.TRAINING, pool.VALIDATION, strict=True):
        first, second = ({image.tobytes() for image in made.parts[name].images} for name in (kind, held_out))
        assert not first & second


def test_what_makes_pictures_ends_with_a_training_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", MAKES_MANY], cwd=ROOT, stdout=subprocess.PIPE) as training:
        assert training.stdout is not None
        assert training.stdout.readline() == b"some are made\n"
        makers = children(training.pid)
        assert len(makers) >= 2
        training.kill()
    deadline = time.monotonic() + 20
    while any(map(runs, makers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_run_makes_its_pool_once(tmp_path: Path, made: pool.Pool, data: Mnist) -> None:
    path = tmp_path / "pool.npz"
    calls: list[int] = []
    small = Mixture(renderings=4, forms=4, outliers=4, held_out=4)
    options = {"seed": 1, "progress": lambda done, _total: calls.append(done)}
    first = pool.open_or_make(path, small, data, **options)
    count = len(calls)
    check_same(pool.open_or_make(path, small, data, **options), first)
    assert len(calls) == count > 0
    np.testing.assert_array_equal(first.parts["forms"].images[:2], made.parts["forms"].images[:2])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_a_damaged_pool_is_said_to_be(tmp_path: Path, data: Mnist, content: bytes) -> None:
    path = tmp_path / "pool.npz"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        pool.open_or_make(path, MIXTURE, data, seed=1, progress=lambda *_count: None)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert "delete the run directory" in str(caught.value)
