"""MNIST, from a directory of IDX files or from Keras' own download, checked byte for byte.

The last 5,000 of the 60,000 training digits are the validation split. It is a block rather than a sample, because
neighbours in the file tend to come from the same writer, and a writer in both parts would flatter every choice.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.contract import IMAGE_SIDE
from service.errors import first_line
from training.data import idx
from training.data.idx import Bytes as Bytes
from training.data.own.digits import Own
from training.errors import DatasetError

VALIDATION_COUNT = 5_000

#: SHA-256 of the four IDX files as LeCun, Cortes and Burges published them, decompressed.
MNIST_SHA256: Mapping[str, str] = {
    "train-images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@dataclass(frozen=True)
class Mnist:
    """The three splits. Images are uint8 [N, 28, 28], 0 = background, 255 = ink; labels are uint8 [N], 0 to 9.

    `sha256` maps each part, such as `train-images`, to the checksum of its IDX form. `own` are digits of the user's own
    beside them.
    """

    train_images: Bytes
    train_labels: Bytes
    validation_images: Bytes
    validation_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    sha256: Mapping[str, str]
    own: Own | None = None

    @property
    def fingerprint(self) -> dict[str, str]:
        """The checksums of all that is learnt, the user's own digits included."""
        return dict(self.sha256) | ({} if self.own is None else self.own.fingerprint)


def load(directory: Path | None = None, *, sha256: Mapping[str, str] = MNIST_SHA256) -> Mnist:
    """Load MNIST from the IDX files in `directory`, gzipped or not, or download it through Keras where that is None.

    Raises:
        DatasetError: a file is missing, truncated, of the wrong shape, or has not the `sha256` of its part.
    """
    parts = _download() if directory is None else _read_directory(directory)
    arrays = {part: _parse(part, *parts[part]) for part in MNIST_SHA256}
    for images, labels in (("train-images", "train-labels"), ("t10k-images", "t10k-labels")):
        if len(arrays[images]) != len(arrays[labels]):
            raise DatasetError(
                f"{parts[images][0]} holds {len(arrays[images])} images and {parts[labels][0]} {len(arrays[labels])} "
                "labels. Fetch both again."
            )
    found = {part: hashlib.sha256(content).hexdigest() for part, (_, content) in parts.items()}
    for part in MNIST_SHA256:
        if found[part] != sha256[part]:
            raise DatasetError(
                f"{parts[part][0]} is not MNIST's {part}: its SHA-256 is {found[part]}, expected {sha256[part]}. "
                "Fetch it again."
            )
    train_images, train_labels, test_images, test_labels = (arrays[part] for part in MNIST_SHA256)
    split = len(train_images) - VALIDATION_COUNT
    return Mnist(
        train_images=train_images[:split],
        train_labels=train_labels[:split],
        validation_images=train_images[split:],
        validation_labels=train_labels[split:],
        test_images=test_images,
        test_labels=test_labels,
        sha256=found,
    )


def _read_directory(directory: Path) -> dict[str, tuple[str, bytes]]:
    if not directory.is_dir():
        raise DatasetError(f"{directory} is not a directory: give --data the directory with MNIST's four IDX files.")
    return {part: _read_file(directory, part) for part in MNIST_SHA256}


def _read_file(directory: Path, part: str) -> tuple[str, bytes]:
    """Return the path of the part's file and its decompressed content."""
    stem = f"{part}-idx{3 if part.endswith('images') else 1}-ubyte"
    names = [stem + ".gz", stem, stem.replace("-idx", ".idx"), stem.replace("-idx", ".idx") + ".gz"]
    path = next((directory / name for name in names if (directory / name).is_file()), None)
    if path is None:
        raise DatasetError(f"{directory / names[0]} is missing: put MNIST's four IDX files there, gzipped or not.")
    return str(path), idx.read(path)


def _parse(part: str, source: str, content: bytes) -> Bytes:
    if part.endswith("images"):
        return idx.parse(source, content, idx.IMAGES, side=IMAGE_SIDE)
    return idx.parse(source, content, idx.LABELS)


def _download() -> dict[str, tuple[str, bytes]]:
    import keras  # seconds to import, and needed for the download alone

    try:
        (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise DatasetError(
            f"Keras could not download MNIST ({first_line(error)}): "
            "check the network, or give --data a directory with the four IDX files."
        ) from error
    arrays = zip(MNIST_SHA256, (train_images, train_labels, test_images, test_labels), strict=True)
    return {part: (f"Keras' download of {part}", idx.write(array)) for part, array in arrays}
