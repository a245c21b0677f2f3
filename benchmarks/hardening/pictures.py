"""Pictures in every accepted format and mode, and mutations of their bytes."""

import random
import struct

import numpy as np
from PIL import Image

from tests import drawing

_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "GIF": ("1", "L", "P"),
    "BMP": ("1", "L", "P", "RGB"),
    "WEBP": ("RGB", "RGBA"),
}
_HEAD = 64  # bytes with the size and the storage format
_FORGED = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x00\x00\xc3\x50", b"\x00\x01", b"\xff\xff", b"\x80")


def originals() -> list[bytes]:
    """Return a digit in each format and mode, including progressive, EXIF-rotated and animated files."""
    grey = drawing.digit(7)
    plain = [
        drawing.encode(_in_mode(grey, mode), form, **({"lossless": mode == "RGBA"} if form == "WEBP" else {}))
        for form, modes in _MODES.items()
        for mode in modes
    ]
    frames = [drawing.digit(label) for label in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        *plain,
        drawing.encode(grey, "JPEG", progressive=True, exif=exif),
        drawing.encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        drawing.encode(frames[0].convert("RGB"), "WEBP", save_all=True, append_images=frames[1:]),
        drawing.encode(frames[0], "PNG", save_all=True, append_images=frames[1:]),
    ]


def mutated(rng: random.Random, originals: list[bytes], count: int) -> list[bytes]:
    """Return so many mutations of random pictures."""
    return [_mutate(rng, rng.choice(originals), rng.choice(originals)) for _ in range(count)]


def _in_mode(grey: Image.Image, mode: str) -> Image.Image:
    return Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)


def _mutate(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Return a picture after one to three mutations; `other` is a second one to splice with."""
    for _ in range(rng.randint(1, 3)):
        content = _change(rng, content, other) or content[:1]
    return content


def _change(rng: random.Random, content: bytes, other: bytes) -> bytes:
    kind, size = rng.randrange(6), len(content)
    if kind == 0:  # bits are flipped
        found = bytearray(content)
        for _ in range(rng.choice((1, 2, 8, 32))):
            found[rng.randrange(size)] ^= 1 << rng.randrange(8)
        return bytes(found)
    if kind == 1:  # the end is missing
        return content[: rng.randrange(1, size + 1)]
    if kind == 2:  # another picture's end
        return content[: rng.randrange(1, size + 1)] + other[rng.randrange(len(other)) :]
    if kind == 3:  # other numbers in the head
        forged = rng.choice(_FORGED) if rng.random() < 0.5 else struct.pack("<I", rng.getrandbits(32))
        at = rng.randrange(min(_HEAD, size))
        return content[:at] + forged + content[at + len(forged) :]
    start = rng.randrange(size)
    if kind == 4:  # a part is repeated
        return content[:start] + content[start : start + rng.randrange(1, 200)] * rng.choice((2, 50)) + content[start:]
    return content[:start] + content[start + rng.randrange(1, 64) :]
