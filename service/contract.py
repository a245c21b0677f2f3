"""What a model is: the only agreement between training, which writes one, and the service, which runs it.

A version is the directory `MODELS/NAME/VERSION/` with an ONNX graph in `model.onnx`, perhaps an int8 twin in
`model.int8.onnx`, and `manifest.json`. Standard library only, so that either side can import it at no cost.
"""

import errno
import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.errors import ManifestError

CONTRACT_VERSION = "1"
MODEL_NAME = "mnist-dmlp"

INPUT_NAME = "images"  # uint8 [N, 28, 28], 0 = background, 255 = ink
OUTPUT_NAME = "probabilities"  # float32 [N, 10], calibrated, each row sums to 1
IMAGE_SIDE = 28
LABELS = tuple(str(digit) for digit in range(10))

FLOAT32_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "README.md"

METADATA_CONTRACT = "digits.contract"
METADATA_LABELS = "digits.labels"
METADATA_RECIPE = "digits.recipe"

_MOST_SELF_TESTS = 1024
_MOST_MANIFEST_BYTES = 16 << 20  # with the history of a long training it has some hundred thousand

_CELL_SIDE = 4  # a self-test image is a mosaic of 7x7 cells: its answers differ, those to white noise hardly do
_CELLS = IMAGE_SIDE // _CELL_SIDE
_BLANK_BELOW = 160  # about five cells in eight stay background, as in a digit


@dataclass(frozen=True)
class FileRecord:
    """A file of the version as it was published."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class SelfTest:
    """Images made from a seed (`self_test_images`) and the probabilities that each graph gave for them.

    `expected` maps a file name to rows of ten probabilities. `tolerance` maps it to the largest difference of one
    probability: kernels for different processors round differently, int8 ones more.
    """

    seed: int
    count: int
    expected: Mapping[str, list[list[float]]]
    tolerance: Mapping[str, float]


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: what the version is, where it comes from and how to tell that it is whole.

    `certain_from` is the confidence from which an answer needs no second look; it was chosen on validation data.
    """

    name: str
    version: str
    contract: str
    created: str
    files: Mapping[str, FileRecord]
    certain_from: float
    self_test: SelfTest
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    tools: Mapping[str, str]

    def write(self, directory: Path) -> None:
        """Write `manifest.json` into `directory`."""
        text = json.dumps(asdict(self), indent=2, sort_keys=False)
        (directory / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read `directory/manifest.json`.

        Raises:
            ManifestError: it is missing, no JSON, lacks a field, speaks another contract, or admits too many errors.
        """
        path = directory / MANIFEST_FILE
        try:
            fields = json.loads(_read(path, _MOST_MANIFEST_BYTES))
            if str(fields["contract"]) != CONTRACT_VERSION:
                raise ManifestError(
                    f"{path} speaks contract {fields['contract']!r}, this service speaks {CONTRACT_VERSION!r}: "
                    "publish the model again with the training code of this release."
                )
            fields["files"] = {name: FileRecord(**record) for name, record in fields["files"].items()}
            fields["self_test"] = SelfTest(**fields["self_test"])
            manifest = cls(**fields)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read ({error.strerror}): publish the version again.") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ManifestError(f"{path} is damaged ({error}): publish the version again.") from error
        manifest._check_self_test(path)
        manifest._check_figures(path)
        return manifest

    def _check_self_test(self, path: Path) -> None:
        names = set(self.files) & {FLOAT32_FILE, INT8_FILE}
        if FLOAT32_FILE not in names or not names <= set(self.self_test.expected) & set(self.self_test.tolerance):
            raise ManifestError(f"{path} lists no {FLOAT32_FILE} or no self-test for it: publish the version again.")
        if type(self.self_test.count) is not int or not 1 <= self.self_test.count <= _MOST_SELF_TESTS:
            raise ManifestError(
                f"{path} has a self-test of {self.self_test.count!r} images: publish the version again."
            )

    def _check_figures(self, path: Path) -> None:
        if type(self.certain_from) not in (int, float) or not 0 <= self.certain_from <= 1:  # nor NaN
            raise ManifestError(f"{path} has no number from 0 to 1 in `certain_from`: publish the version again.")
        accuracy, floor = self.accuracy(FLOAT32_FILE), _number(self.recipe, "accuracy_floor")
        if accuracy is not None and floor is not None and accuracy < floor:
            raise ManifestError(
                f"{path} says that the model reads {accuracy:.2%}, under the floor of {floor:.2%} of its own recipe: "
                "train it for longer."
            )

    def accuracy(self, file: str) -> float | None:
        """Return the share of MNIST's test digits that a graph read when it was verified, None where that is unsaid."""
        verified: Any = self.metrics
        for name in ("verified", file, "test"):
            verified = verified.get(name) if isinstance(verified, Mapping) else None
        errors, count = _number(verified, "errors"), _number(verified, "count")
        return None if errors is None or not count else 1 - errors / count

    def check_place(self, directory: Path) -> None:
        """Refuse a version that stands in another's place, where each answer would name the wrong one.

        Raises:
            ManifestError: `directory` is not NAME/VERSION.
        """
        found = f"{directory.parent.name}/{directory.name}"
        if found != f"{self.name}/{self.version}":
            raise ManifestError(
                f"{directory / MANIFEST_FILE} is that of {self.name}/{self.version} and stands in {found}: "
                "put the version where it belongs, or publish it anew."
            )

    def read_file(self, directory: Path, name: str) -> bytes:
        """Return the bytes of the version's file `name`, checked against its SHA-256.

        The bytes that were checked are the bytes that are returned, so nothing can change between the two.

        Raises:
            ManifestError: the file is not listed, cannot be read, or differs from what was published.
        """
        path = directory / name
        record = self.files.get(name)
        if record is None:
            raise ManifestError(f"{directory / MANIFEST_FILE} does not list {name}: publish the version again.")
        try:
            content = _read(path, record.bytes)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read ({error.strerror}): publish the version again.") from error
        except (TypeError, ValueError) as error:
            raise ManifestError(f"{path} is not what was published ({error}): publish the version again.") from error
        found = hashlib.sha256(content).hexdigest()
        if found != record.sha256:
            raise ManifestError(
                f"{path} has SHA-256 {found}, the manifest says {record.sha256}: publish the version again."
            )
        return content


def _read(path: Path, most: int) -> bytes:
    """Return the content of a file; a pipe would never end, and a large one would fill the memory."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if status.st_size > most:
        raise ValueError(f"it has {status.st_size:,} bytes, {most:,} are the most")
    return path.read_bytes()


def _number(mapping: object, name: str) -> float | None:
    found = mapping.get(name) if isinstance(mapping, Mapping) else None
    return found if type(found) in (int, float) else None


def self_test_images(seed: int, count: int) -> bytes:
    """Return `count` images as uint8 [count, 28, 28] in C order, the same for a seed on every machine and version.

    SHAKE-256 rather than a random generator, because a standard fixes its output for good.
    """
    cells = hashlib.shake_256(f"digits self-test {seed}".encode()).digest(count * _CELLS * _CELLS)
    rows = []
    for start in range(0, len(cells), _CELLS):
        inked = bytes(value if value >= _BLANK_BELOW else 0 for value in cells[start : start + _CELLS])
        rows.append(b"".join(bytes([value]) * _CELL_SIDE for value in inked) * _CELL_SIDE)
    return b"".join(rows)
