"""Sources of digits -> digits to learn and held-out digits, without duplicates."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE, MAX_PICTURE_PIXELS
from service.cpus import available_cpus
from service.errors import RequestError
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_digit
from training.data.idx import Bytes
from training.data.own import sources
from training.data.own.digits import Own, Share
from training.data.own.entries import Batch, Entry, Rejected
from training.errors import DatasetError

#: Images, uint8 [N, 28, 28] -> probabilities of a published model, [N, 10].
Answers = Callable[[Bytes], npt.NDArray[Any]]

HELD_OUT = 0.2  # of the digits, or of the writers
_TOGETHER = 64  # encoded pictures in memory at once
_TRIED = 400  # images of a batch that are tried both ways
_CLEARLY = 0.2  # a batch is transposed if this much more of it is read right that way
_DUPLICATES, _CONFLICTS, _OF_MNIST = "duplicates", "told as two digits", "MNIST's own"


class _Digit(NamedTuple):
    image: Bytes
    label: int
    source: str
    writer: str
    suspect: bool


def collect(paths: Sequence[Path], mnist_images: Iterable[Bytes], answers: Answers | None) -> Own:
    """Return the digits of all sources, without duplicates and what the service would reject.

    `mnist_images` are all of MNIST's, uint8 [N, 28, 28] each. Other sets contain them (Kaggle's is made of them), and
    the test set must not be learnt. `answers` detects sets that are stored transposed, as EMNIST is.

    Raises:
        DatasetError: a source cannot be read, or none holds a digit.
    """
    notes: list[str] = []
    found = list(chain.from_iterable(_read(path, answers, notes) for path in paths))
    rejected = [each for each in found if isinstance(each, Rejected)]
    digits, left_out = _once([each for each in found if isinstance(each, _Digit)], mnist_images)
    if not digits:
        why = f" The first: {rejected[0].source}: {rejected[0].reason.rstrip('.')}." if rejected else ""
        counts = "".join(f", {count:,} are {reason}" for reason, count in left_out.items() if count)
        raise DatasetError(
            f"{', '.join(map(str, paths))}: no digit to learn ({len(rejected):,} rejected{counts}).{why}"
        )
    learnt, held_out = _divided(digits)
    return Own(
        learnt=_share(learnt),
        held_out=_share(held_out),
        rejected=rejected,
        left_out=left_out,
        suspect=[digit.source for digit in digits if digit.suspect],
        sha256=hashlib.sha256(b"".join(sorted(_key(digit) for digit in digits))).hexdigest(),
        notes=notes,
    )


def _read(path: Path, answers: Answers | None, notes: list[str]) -> Iterator[_Digit | Rejected]:
    """Yield the content of a source in order, decoded in a thread for each processor."""
    entries = sources.entries(path)
    with ThreadPoolExecutor(available_cpus()) as threads:
        while some := list(islice(entries, _TOGETHER)):
            singles = chain.from_iterable(
                _upright(each, answers, notes) if isinstance(each, Batch) else (each,) for each in some
            )
            yield from threads.map(_canonical, singles)


def _canonical(found: Entry | Rejected) -> _Digit | Rejected:
    if isinstance(found, Rejected):
        return found
    try:
        picture = found.picture
        grey = decode(picture, max_pixels=MAX_PICTURE_PIXELS) if isinstance(picture, bytes) else picture
        return _Digit(canonical_digit(grey), found.label, found.source, found.writer, found.suspect)
    except RequestError as error:
        return Rejected(found.source, str(error))


def _upright(batch: Batch, answers: Answers | None, notes: list[str]) -> Iterator[Entry]:
    """Yield the images of a batch, transposed if that is read much better."""
    images, turned = batch.images, batch.images.transpose(0, 2, 1)
    if answers is not None and len(images):
        tried = np.linspace(0, len(images) - 1, min(len(images), _TRIED), dtype=int)
        shares = [_read_right(way[tried], batch.labels[tried], answers) for way in (images, turned)]
        if shares[1] > shares[0] + _CLEARLY:
            images = turned
            notes.append(
                "{} and on are stored transposed: {:.0%} are read right, turned {:.0%}".format(
                    batch.sources[0], *shares
                )
            )
    for source, label, image in zip(batch.sources, batch.labels, images, strict=True):
        yield Entry(source, int(label), np.ascontiguousarray(image))


def _read_right(images: Bytes, labels: Bytes, answers: Answers) -> float:
    """Return the share of images, uint8 [N, height, width], that is read as the labels say."""
    digits = [
        _canonical(Entry("", int(label), np.ascontiguousarray(image)))
        for label, image in zip(labels, images, strict=True)
    ]
    readable = [digit for digit in digits if isinstance(digit, _Digit)]
    if not readable:
        return 0.0
    read = answers(np.stack([digit.image for digit in readable])).argmax(axis=1)
    return float(np.sum(read == [digit.label for digit in readable])) / len(digits)


def _once(digits: Sequence[_Digit], mnist_images: Iterable[Bytes]) -> tuple[list[_Digit], dict[str, int]]:
    """Return the digits without duplicates, MNIST's own and those with two labels; and the counts left out."""
    of_mnist = {image.tobytes() for images in mnist_images for image in images}
    labels: dict[bytes, set[int]] = {}
    for digit in digits:
        labels.setdefault(digit.image.tobytes(), set()).add(digit.label)
    kept, left_out = dict[bytes, _Digit](), Counter({_DUPLICATES: 0, _CONFLICTS: 0, _OF_MNIST: 0})
    for digit in digits:
        content = digit.image.tobytes()
        if content in of_mnist:
            left_out[_OF_MNIST] += 1
        elif len(labels[content]) > 1:
            left_out[_CONFLICTS] += 1
        elif content in kept:
            left_out[_DUPLICATES] += 1
        else:
            kept[content] = digit
    return list(kept.values()), dict(left_out)


def _divided(digits: Sequence[_Digit]) -> tuple[list[_Digit], list[_Digit]]:
    """Return the digits to learn and the held-out ones: split by writer if both sides get one, else by digit.

    The split depends on the writer's name or the digit alone, so it stays when more digits are added.
    """
    writers = {digit.writer for digit in digits}
    whole = len({_is_held_out(writer.encode()) for writer in writers}) == 2 and "" not in writers
    apart = [_is_held_out(digit.writer.encode() if whole else digit.image.tobytes()) for digit in digits]
    pairs = list(zip(digits, apart, strict=True))
    return [digit for digit, held in pairs if not held], [digit for digit, held in pairs if held]


def _is_held_out(key: bytes) -> bool:
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") < HELD_OUT * 2**64


def _key(digit: _Digit) -> bytes:
    return hashlib.sha256(digit.image.tobytes() + bytes([digit.label])).digest()


def _share(digits: Sequence[_Digit]) -> Share:
    images = np.array([digit.image for digit in digits], np.uint8).reshape(len(digits), IMAGE_SIDE, IMAGE_SIDE)
    return Share(images, np.array([digit.label for digit in digits], np.uint8), [digit.source for digit in digits])
