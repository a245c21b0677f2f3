"""The contract between training, which writes models, and the service, which runs them.

A version is a directory `MODELS/NAME/VERSION/` with `model.onnx`, perhaps `model.int8.onnx`, and `manifest.json`.
"""

import errno
import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from service.errors import ManifestError

CONTRACT_VERSION = "1"
MODEL_NAME = "mnist-dmlp"

INPUT_NAME = "images"  # uint8 [N, 28, 28], 0 = background, 255 = ink
OUTPUT_NAME = "probabilities"  # float32 [N, 10], calibrated, each row sums to 1
IMAGE_SIDE = 28
LABELS = tuple(str(digit) for digit in range(10))
LABELS_FILE = "labels.txt"  # Triton's, beside the versions

FLOAT32_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "README.md"

#: Limits of one picture unless the service is configured otherwise; training reads own pictures by the same.
MAX_PICTURE_BYTES = 16 << 20
MAX_PICTURE_PIXELS = 13_000_000  # in colour

CORRECTION_SUFFIX = ".correction.json"  # of the files in which the service keeps what people corrected

METADATA_CONTRACT = "digits.contract"
METADATA_LABELS = "digits.labels"
METADATA_RECIPE = "digits.recipe"

_AGAIN = "publish the version again"
_MOST_MANIFEST_BYTES = 16 << 20  # with the history of a long training it has some hundred thousand

_CELL_SIDE = 4  # a self-test image is a mosaic of 7x7 cells: its answers differ, those to white noise hardly do
_CELLS = IMAGE_SIDE // _CELL_SIDE
_BLANK_BELOW = 160  # about five cells in eight stay background, as in a digit


class FileRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    bytes: Annotated[int, msgspec.Meta(ge=0)]


class Correction(msgspec.Struct, frozen=True):
    """A picture and its correct digit: the service writes it, training reads it.

    `image` is the picture as sent, `seen` its 28x28 digit as a PNG; in JSON both are base64. The model had `read` a
    digit with that `confidence`, and was `certain` or not.
    """

    digit: Annotated[int, msgspec.Meta(ge=0, le=9)]
    read: Annotated[int, msgspec.Meta(ge=0, le=9)]
    confidence: float
    certain: bool
    model: str
    version: str
    created: str
    seen: bytes
    image: bytes

    @property
    def suspect(self) -> bool:
        """Whether it contradicts a certain answer, so that a person should check it."""
        return self.certain and self.digit != self.read


class SelfTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Images made from a seed (`self_test_images`) and the probabilities that each graph gave for them.

    `expected` maps a file name to rows of ten probabilities, `tolerance` to the largest allowed difference: processors
    round differently, int8 more so.
    """

    seed: int
    count: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    expected: Mapping[str, list[list[float]]]
    tolerance: Mapping[str, float]


class _Counts(msgspec.Struct):
    errors: Annotated[int, msgspec.Meta(ge=0)]
    count: Annotated[int, msgspec.Meta(ge=1)]


class _Verified(msgspec.Struct):
    test: _Counts | None = None


class _Metrics(msgspec.Struct):
    verified: Mapping[str, _Verified] = {}


class _Recipe(msgspec.Struct):
    accuracy_floor: float = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json`: what the version is, where it comes from, and how to check it.

    An answer is certain from the confidence `certain_from`, chosen on validation data.
    """

    name: str
    version: str
    contract: str
    created: str
    files: Mapping[str, FileRecord]
    certain_from: Annotated[float, msgspec.Meta(ge=0, le=1)]
    self_test: SelfTest
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    tools: Mapping[str, str]

    def write(self, directory: Path) -> None:
        """Write `manifest.json` into `directory`."""
        fields = msgspec.structs.asdict
        text = json.dumps(fields(self), default=fields, indent=2)
        (directory / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read `directory/manifest.json`, or raise ManifestError if it is damaged or of another contract."""
        path = directory / MANIFEST_FILE
        try:
            fields = json.loads(_read(path, _MOST_MANIFEST_BYTES))
            if str(fields["contract"]) != CONTRACT_VERSION:
                raise ManifestError(
                    f"{path} has contract {fields['contract']!r}, this service {CONTRACT_VERSION!r}: "
                    "publish the model again with the training code of this release."
                )
            manifest = msgspec.convert(fields, cls)
            manifest._check(path)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ManifestError(f"{path} is damaged ({error}): {_AGAIN}.") from error
        return manifest

    def _check(self, path: Path) -> None:
        names, test = self.files.keys() & {FLOAT32_FILE, INT8_FILE}, self.self_test
        if FLOAT32_FILE not in names or not names <= test.expected.keys() & test.tolerance.keys():
            raise ManifestError(f"{path} lacks {FLOAT32_FILE} or a self-test: {_AGAIN}.")
        accuracy, floor = self.accuracy(FLOAT32_FILE), msgspec.convert(self.recipe, _Recipe).accuracy_floor
        if accuracy is not None and accuracy < floor:
            raise ManifestError(
                f"{path}: the model reads {accuracy:.2%}, under the floor of {floor:.2%} of its own recipe: "
                "train it for longer."
            )

    def accuracy(self, file: str) -> float | None:
        """Return the share of MNIST's test digits that a graph read when verified, None if unknown."""
        counts = msgspec.convert(self.metrics, _Metrics).verified.get(file, _Verified()).test
        return None if counts is None else 1 - counts.errors / counts.count

    def check_place(self, directory: Path) -> None:
        """Raise ManifestError unless `directory` is NAME/VERSION: answers would name the wrong version."""
        found = f"{directory.parent.name}/{directory.name}"
        if found != f"{self.name}/{self.version}":
            raise ManifestError(
                f"{directory / MANIFEST_FILE} is of {self.name}/{self.version} but in {found}: "
                "move the version, or publish it again."
            )

    def read_file(self, directory: Path, name: str) -> bytes:
        """Return the bytes of the version's file `name`, or raise ManifestError if they have changed."""
        path = directory / name
        record = self.files.get(name)
        if record is None:
            raise ManifestError(f"{directory / MANIFEST_FILE} does not list {name}: {_AGAIN}.")
        try:
            content = _read(path, record.bytes)
        except ValueError as error:
            raise ManifestError(f"{path} differs from the published file ({error}): {_AGAIN}.") from error
        found = hashlib.sha256(content).hexdigest()
        if found != record.sha256:
            raise ManifestError(f"{path} has SHA-256 {found}, the manifest says {record.sha256}: {_AGAIN}.")
        return content


def _read(path: Path, most: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if status.st_size > most:
            raise ValueError(f"it has {status.st_size:,} bytes, at most {most:,} are allowed")
        return path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}): {_AGAIN}.") from error


def self_test_images(seed: int, count: int) -> bytes:
    """Return `count` images as uint8 [count, 28, 28] in C order, the same for a seed on every machine and version.

    SHAKE-256 rather than a random generator, because a standard fixes its output for good.
    """
    cells = hashlib.shake_256(f"digits self-test {seed}".encode()).digest(count * _CELLS * _CELLS)
    wide = b"".join(bytes([value if value >= _BLANK_BELOW else 0]) * _CELL_SIDE for value in cells)
    return b"".join(wide[start : start + IMAGE_SIDE] * _CELL_SIDE for start in range(0, len(wide), IMAGE_SIDE))
