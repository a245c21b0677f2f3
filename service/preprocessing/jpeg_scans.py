"""The scans of a JPEG: whether there are several, what they cost, whether all are there (ITU-T T.81, annex G)."""

import struct

from service.errors import UnreadableImage

# Progressive files hold about ten. Each may make the decoder visit all blocks again for a handful of bytes.
_MOST_SCANS = 32
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1, 0xC9), (0xC2, 0xCA)
_PIXEL_BYTES = 0.5  # read in one scan, it is decoded row by row and reduced
_SCAN = b"\xff\xda"
_COEFFICIENTS = 64  # of a block


def pixel_bytes(content: bytes, marker: int, frame: int, scan: int, *, ended: bool) -> float:
    """Return what decoding takes for a pixel.

    Where several scans make up the picture the decoder holds all coefficients meanwhile, two bytes each. `frame` and
    `scan` are where the frame's head, with its `marker`, and the first scan begin; `ended` says that the end is there.

    Raises:
        UnreadableImage: it is a form of JPEG that is not read, has more scans than any honest file, or lacks some.
    """
    components = content[frame + 9]
    if not components:
        raise UnreadableImage
    if marker not in (*_SEQUENTIAL, *_PROGRESSIVE):
        raise UnreadableImage("The picture is in a form of JPEG that is not read here: send it as an ordinary one.")
    if marker in _SEQUENTIAL and content[scan + 4] == components:
        return _PIXEL_BYTES
    if content.count(_SCAN, scan) > _MOST_SCANS or not (ended or _has_all(content, scan, components)):
        raise UnreadableImage
    sampling = [divmod(content[frame + 11 + 3 * index], 16) for index in range(components)]
    blocks = sum(across * down for across, down in sampling)
    largest = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return max(_PIXEL_BYTES, 2 * blocks / max(1, largest))


def _has_all(content: bytes, scan: int, components: int) -> bool:
    """Tell whether the scans from `scan` on bring all coefficients of each component down to the last bit."""
    found = 0
    while scan >= 0:
        count = content[scan + 4]
        first, last, bits = struct.unpack_from("BBB", content, scan + 5 + 2 * count)
        found += 0 if bits & 15 else count * (last - first + 1)
        scan = content.find(_SCAN, scan + 2)
    return found >= _COEFFICIENTS * components
