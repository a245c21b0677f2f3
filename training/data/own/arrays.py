"""Arrays: .npz with `x` and `y`, and IDX files as of MNIST and EMNIST."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from training.data import idx
from training.data.own.entries import Batch, Found, Rejected, digit_of
from training.errors import DatasetError
from training.files import read_npz


def npz_entries(path: Path) -> Found:
    """Yield the digits of an .npz file: `x`, [N, height, width], [N, 784] or with one channel, and `y`, [N].

    Levels are whole numbers from 0 to 255, or fractions from 0 to 1, or 0 and 1.

    Raises:
        DatasetError: it is no such file.
    """
    try:
        arrays = read_npz(path)
    except ValueError as error:
        raise DatasetError(f"{path} cannot be read ({error}): correct it.") from error
    if not {"x", "y"} <= arrays.keys():
        raise DatasetError(f"{path} holds {', '.join(arrays) or 'nothing'}: name the images `x` and the labels `y`.")
    yield from _batch(path, _grey(path, arrays["x"]), np.ravel(arrays["y"]))


def idx_entries(path: Path) -> Found:
    """Yield the digits of an IDX file of images, whose labels are in the file of the same name with `labels`.

    Raises:
        DatasetError: one of the two is missing or damaged.
    """
    images, labels = _idx(path, idx.IMAGES), _idx(_labels_of(path), idx.LABELS)
    yield from _batch(path, images, labels)


def _labels_of(path: Path) -> Path:
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    for place in (path.with_name(name), path.with_name(plain), path.with_name(f"{plain}.gz")):
        if place != path and place.is_file():
            return place
    named = path.with_name(name) if name != path.name else "a file of its name, with `images` and `labels` in the two"
    raise DatasetError(f"{path} has no labels beside it: put them into {named}.")


def _idx(path: Path, magic: int) -> npt.NDArray[np.uint8]:
    return idx.parse(str(path), idx.read(path), magic)


def _grey(path: Path, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim == 2 and images.shape[1] == IMAGE_SIDE * IMAGE_SIDE:
        images = images.reshape(-1, IMAGE_SIDE, IMAGE_SIDE)
    if images.ndim != 3 or images.dtype.kind not in "buif":
        raise DatasetError(
            f"{path}: `x` is {images.dtype} {list(images.shape)}, expected grey levels [N, height, width]."
        )
    if images.size and not (images.min() >= 0 and images.max() <= 255):  # NaN is neither
        raise DatasetError(f"{path}: `x` has levels that are not from 0 to 255: correct them.")
    if images.size and images.max() <= 1:
        images = images * 255.0
    return np.asarray(images.round() if images.dtype.kind == "f" else images).astype(np.uint8)


def _batch(path: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[Any]) -> Found:
    if len(images) != len(labels):
        raise DatasetError(f"{path} holds {len(images)} images and {len(labels)} labels: correct it.")
    digits = [digit_of(label) for label in labels]
    for number, digit in enumerate(digits):
        if digit is None:
            yield Rejected(f"{path}[{number}]", f"{str(labels[number])[:20]!r} is no digit")
    kept = [number for number, digit in enumerate(digits) if digit is not None]
    sources = [f"{path}[{number}]" for number in kept]
    yield Batch(sources, np.array([digits[number] for number in kept], np.uint8), images[kept])
