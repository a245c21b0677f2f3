import gzip
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.data import idx, mnist
from training.data.mnist import Bytes
from training.errors import DatasetError

COUNTS = {"train-images": 5_100, "train-labels": 5_100, "t10k-images": 30, "t10k-labels": 30}
FILES = {part: f"{part}-idx{3 if part.endswith('images') else 1}-ubyte" for part in COUNTS}


def stamped_images(count: int, side: int = 28) -> Bytes:
    """Return images that contain their own index, so that tests can identify them."""
    images = np.zeros((count, side, side), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(count), 256)
    return images


def stamped_labels(count: int) -> Bytes:
    return (np.arange(count) % 10).astype(np.uint8)


def numbers(images: Bytes) -> list[int]:
    return (images[:, 0, 0].astype(int) * 256 + images[:, 0, 1]).tolist()


PARTS = {
    part: idx.write((stamped_images if part.endswith("images") else stamped_labels)(count))
    for part, count in COUNTS.items()
}
SHA256 = {part: hashlib.sha256(content).hexdigest() for part, content in PARTS.items()}


def write(directory: Path, *, suffix: str = ".gz", compressed: bool = True) -> None:
    for part, content in PARTS.items():
        (directory / (FILES[part] + suffix)).write_bytes(gzip.compress(content, 1) if compressed else content)


def check_splits(loaded: mnist.Mnist) -> None:
    assert numbers(loaded.train_images) == list(range(100))
    assert numbers(loaded.validation_images) == list(range(100, 5_100))
    assert numbers(loaded.test_images) == list(range(30))
    assert (loaded.train_labels == np.arange(100) % 10).all()
    assert (loaded.validation_labels == np.arange(100, 5_100) % 10).all()
    assert (loaded.test_labels == np.arange(30) % 10).all()
    assert loaded.sha256 == SHA256


@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("compressed", [True, False])
def test_load_reads_gzipped_and_plain_files_whatever_their_names(tmp_path: Path, suffix: str, compressed: bool) -> None:
    write(tmp_path, suffix=suffix, compressed=compressed)
    check_splits(mnist.load(tmp_path, sha256=SHA256))


def test_load_reads_the_names_that_other_mirrors_use(tmp_path: Path) -> None:
    write(tmp_path, suffix="", compressed=False)
    for path in list(tmp_path.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    check_splits(mnist.load(tmp_path, sha256=SHA256))


def truncate_gzip(directory: Path) -> None:
    path = directory / (FILES["train-images"] + ".gz")
    path.write_bytes(path.read_bytes()[:-40])


def damage_gzip(directory: Path) -> None:
    path = directory / (FILES["train-images"] + ".gz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def replace(part: str, content: bytes, *, suffix: str = "") -> Callable[[Path], None]:
    """Return a function that replaces the file of a part by `content`."""

    def change(directory: Path) -> None:
        (directory / (FILES[part] + ".gz")).unlink()
        (directory / (FILES[part] + suffix)).write_bytes(content)

    return change


def other_pixel(part: str) -> bytes:
    content = bytearray(PARTS[part])
    content[-1] ^= 1
    return bytes(content)


BAD = {
    "directory is missing": (shutil.rmtree, ["is not a directory", "give --data"]),
    "file is missing": (
        lambda directory: (directory / (FILES["t10k-labels"] + ".gz")).unlink(),
        [FILES["t10k-labels"], "is missing", "put MNIST's four IDX files there"],
    ),
    "gzip is truncated": (truncate_gzip, [FILES["train-images"] + ".gz", "ended before", "fetch it again"]),
    "gzip is damaged": (damage_gzip, [FILES["train-images"] + ".gz", "cannot be read", "fetch it again"]),
    "other checksum": (
        replace("t10k-images", other_pixel("t10k-images")),
        [
            FILES["t10k-images"],
            hashlib.sha256(other_pixel("t10k-images")).hexdigest(),
            SHA256["t10k-images"],
            "Fetch it again",
        ],
    ),
    "other shape": (
        replace("t10k-images", idx.write(stamped_images(30, side=27))),
        [FILES["t10k-images"], "27x27", "28x28", "Fetch it again"],
    ),
    "labels for images": (
        replace("t10k-images", PARTS["t10k-labels"]),
        [FILES["t10k-images"], "00000801", "00000803", "Fetch it again"],
    ),
    "no IDX": (replace("train-labels", b"<html>"), [FILES["train-labels"], b"<htm".hex(), "Fetch it again"]),
    "empty": (replace("train-labels", b""), [FILES["train-labels"], "nothing", "Fetch it again"]),
    "header cut": (replace("train-labels", PARTS["train-labels"][:6]), [FILES["train-labels"], "Fetch it again"]),
    "truncated": (
        replace("train-labels", PARTS["train-labels"][:-5]),
        [FILES["train-labels"], "(5100,)", "5095 bytes", "Fetch it again"],
    ),
    "counts differ": (
        replace("t10k-labels", idx.write(stamped_labels(29))),
        [FILES["t10k-images"], "30 images", FILES["t10k-labels"], "29 labels", "Fetch both again"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_gets_one_line_with_file_cause_and_remedy(tmp_path: Path, case: str) -> None:
    spoil, expected = BAD[case]
    write(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DatasetError) as caught:
        mnist.load(tmp_path, sha256=SHA256)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path) in message
    for words in expected:
        assert words in message


@pytest.mark.tensorflow
def test_keras_download_gives_the_same_as_the_files_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = COUNTS["train-images"], COUNTS["t10k-images"]
    arrays = (stamped_images(train), stamped_labels(train)), (stamped_images(test), stamped_labels(test))
    monkeypatch.setattr("keras.datasets.mnist.load_data", lambda: arrays)
    check_splits(mnist.load(sha256=SHA256))
    with pytest.raises(DatasetError, match="Keras' download of train-images is not MNIST's train-images"):
        mnist.load()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Exception("URL fetch failure on https://example.org/mnist.npz: None -- timed out\nmore"), "timed out)"),
        (TimeoutError(), "TimeoutError"),
    ],
)
@pytest.mark.tensorflow
def test_failed_download_gets_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    with pytest.raises(DatasetError) as caught:
        mnist.load()
    assert "\n" not in str(caught.value)
    assert reason in str(caught.value)
    assert "--data" in str(caught.value)


def test_reading_files_needs_no_tensorflow() -> None:
    code = "import sys, training.data.mnist; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_real_mnist(mnist_dir: Path) -> None:
    loaded = mnist.load(mnist_dir)
    assert loaded.train_images.shape == (55_000, 28, 28)
    assert loaded.validation_images.shape == (5_000, 28, 28)
    assert loaded.test_images.shape == (10_000, 28, 28)
    # from MNIST's site: the training labels start with 5, 0, 4, the test labels with 7
    assert loaded.train_labels[:3].tolist() == [5, 0, 4]
    assert loaded.test_labels[0] == 7
    assert np.bincount(loaded.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert loaded.sha256 == mnist.MNIST_SHA256
