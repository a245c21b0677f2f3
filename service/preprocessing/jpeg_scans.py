"""The scans of a JPEG: whether there are several, what they cost, whether all are there (ITU-T T.81, annex G)."""

import struct

from service.errors import UnreadableImage

# Progressive files hold about ten. Each may make the decoder visit all blocks again for a handful of bytes.
_MOST_SCANS = 32
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)
_PIXEL_BYTES = 0.5  # read in one scan, it is decoded row by row and reduced
_SCAN = b"\xff\xda"
_COEFFICIENTS = 64  # of a block


def has_several(content: bytes, marker: int, frame: int, scan: int) -> bool:
    """Return whether several scans make up the picture, so that the decoder holds all coefficients meanwhile.

    `frame` and `scan` are where the frame's head and the first scan begin.

    Raises:
        UnreadableImage: it is a form of JPEG that is not read.
    """
    if marker not in (*_SEQUENTIAL, *_PROGRESSIVE):
        raise UnreadableImage("The picture is in a form of JPEG that is not read here: send it as an ordinary one.")
    return marker not in _SEQUENTIAL or content[scan + 4] != content[frame + 9]


def are_too_many(content: bytes, scan: int) -> bool:
    """Return whether there are more scans from `scan` on than any honest file has."""
    return content.count(_SCAN, scan) > _MOST_SCANS


def pixel_bytes(content: bytes, frame: int, *, several: bool) -> float:
    """Return what decoding takes for a pixel: in `several` scans two bytes for each coefficient, as it is sampled."""
    if not several:
        return _PIXEL_BYTES
    sampling = [divmod(content[frame + 11 + 3 * index], 16) for index in range(content[frame + 9])]
    blocks = sum(across * down for across, down in sampling)
    largest = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return max(_PIXEL_BYTES, 2 * blocks / max(1, largest))


def has_all(content: bytes, scan: int, components: int) -> bool:
    """Tell whether the scans from `scan` on bring all coefficients of each component down to the last bit."""
    found = 0
    while scan >= 0:
        count = content[scan + 4]
        first, last, bits = struct.unpack_from("BBB", content, scan + 5 + 2 * count)
        found += 0 if bits & 15 else count * (last - first + 1)
        scan = content.find(_SCAN, scan + 2)
    return found >= _COEFFICIENTS * components
