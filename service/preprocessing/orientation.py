"""How a picture has to be turned, as notes in its file say: EXIF 2.32 in a TIFF 6.0 directory, XMP."""

import re
import struct

_MOST_ENTRIES = 10_000  # no camera writes so many
_XMP = re.compile(rb"XML:com\.adobe\.xmp\0.*tiff:Orientation\s*(?:=\s*[\"\']|>)\s*([1-8])", re.DOTALL)
MOST_XMP = 64 << 10  # bytes


def xmp_orientation(text: bytes) -> int:
    """Return the orientation, 1 to 8, that a PNG's chunk of text gives if it holds XMP, 1 where it gives none."""
    found = _XMP.match(text)
    return int(found[1]) if found else 1


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation, 1 to 8, that a block of EXIF gives; 1 where it gives none, or is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(min(entries, _MOST_ENTRIES)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * index)
            if tag == 0x0112 and kind == 3:  # the orientation, a SHORT
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
