"""Digits written in every form that `--extra` reads."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np

from service.contract import CORRECTION_SUFFIX, Correction
from training.data import idx


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def in_folders(directory: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = directory / str(label) / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(255 - image))  # dark on light, as on paper
    return directory


def with_labels(directory: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    (directory / "pictures").mkdir(parents=True)
    lines = ["file,label"]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (directory / "pictures" / f"{number}.png").write_bytes(png(image))
        lines.append(f"pictures/{number}.png,{label}")
    (directory / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return directory


def as_kaggle_has_it(path: Path, images: np.ndarray, labels: np.ndarray, *, head: bool = True) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        if head:
            rows.writerow(["label", *(f"pixel{number}" for number in range(784))])
        rows.writerows([label, *image.ravel()] for image, label in zip(images, labels, strict=True))
    return path


def as_npz(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    np.savez(path, x=images, y=labels)
    return path


def as_idx(directory: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "emnist-digits-train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx.write(images)))
    (directory / "emnist-digits-train-labels-idx1-ubyte").write_bytes(idx.write(labels))
    return directory


def as_corrections(directory: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    directory.mkdir()
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        about = {"confidence": 0.5, "certain": number == 0, "model": "m", "version": "1", "created": "", "seen": b""}
        kept = Correction(digit=int(label), read=int(label + 1) % 10, image=png(image), **about)  # type: ignore[arg-type]
        (directory / f"{number}{CORRECTION_SUFFIX}").write_bytes(msgspec.json.encode(kept))
    return directory


Form = Callable[[Path, np.ndarray, np.ndarray], Path]
FORMS: dict[str, Form] = {
    "folders": in_folders,
    "labels.csv": with_labels,
    "Kaggle's": lambda path, *digits: as_kaggle_has_it(path.with_suffix(".csv"), *digits),
    "Kaggle's without a head": lambda path, *digits: as_kaggle_has_it(path.with_suffix(".csv"), *digits, head=False),
    "npz": lambda path, *digits: as_npz(path.with_suffix(".npz"), *digits),
    "npz of fractions": lambda path, images, labels: as_npz(path.with_suffix(".npz"), images / 255, labels),
    "npz of rows": lambda path, images, labels: as_npz(path.with_suffix(".npz"), images.reshape(-1, 784), labels),
    "IDX": as_idx,
    "an IDX file": lambda path, *digits: next(as_idx(path, *digits).glob("*images*")),
    "corrections": as_corrections,
}
