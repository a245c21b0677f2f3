"""LeCun's IDX files: arrays of bytes, gzipped or not (http://yann.lecun.com/exdb/mnist)."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from service.errors import first_line
from training.errors import DatasetError

Bytes = npt.NDArray[np.uint8]

IMAGES, LABELS = 0x0803, 0x0801  # the magic numbers of unsigned bytes in three dimensions and in one

_GZIP = b"\x1f\x8b"


def is_images(path: Path) -> bool:
    """Whether a file holds IDX images, gzipped or not."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head.startswith(_GZIP):
            with gzip.open(path) as unpacked:
                head = unpacked.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return int.from_bytes(head, "big") == IMAGES


def read(path: Path) -> bytes:
    """Return the decompressed content of a file.

    Raises:
        DatasetError: it cannot be read, or its compression is damaged.
    """
    try:
        content = path.read_bytes()
        # by the first bytes: browsers unpack a .gz and keep its name, or drop the name's end and not the packing
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DatasetError(f"{path} cannot be read ({first_line(error)}): fetch it again.") from error


def parse(source: str, content: bytes, magic: int, *, side: int | None = None) -> Bytes:
    """Return the array in `content`: images [N, height, width], of `side` pixels if given, or labels [N].

    Raises:
        DatasetError: it is something else, or has another shape than its header announces.
    """
    dimensions = magic & 0xFF
    header = 4 + 4 * dimensions
    if len(content) < header or int.from_bytes(content[:4], "big") != magic:
        raise DatasetError(
            f"{source} is not an IDX file of {'images' if magic == IMAGES else 'labels'}: it starts with "
            f"{content[:4].hex() or 'nothing'}, expected {magic:08x}. Fetch it again."
        )
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    if side is not None and shape[1:] != (side, side):
        raise DatasetError(f"{source} holds images of {shape[1]}x{shape[2]}, expected {side}x{side}. Fetch it again.")
    body = np.frombuffer(content, np.uint8, offset=header)
    if body.size != math.prod(shape):
        raise DatasetError(f"{source} declares shape {shape} but has {body.size} bytes of data. Fetch it again.")
    return body.reshape(shape)


def write(array: Bytes) -> bytes:
    """Return `array`, uint8 images [N, height, width] or labels [N], as the content of a file."""
    magic = IMAGES if array.ndim == 3 else LABELS
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()
