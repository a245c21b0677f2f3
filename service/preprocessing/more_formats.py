"""HEIC, AVIF and TIFF, as telephones and scanners save them: what of such a file is decoded, and at what cost.

Their decoders are imported when such a file comes; libheif takes 7 MB. What a file holds beside its picture is left
out, as it is of other formats. Specifications: ISO/IEC 14496-12 and 23008-12 (HEIF), TIFF 6.0 and its supplements.
"""

import re
import struct
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from service.errors import UnreadableImage
from service.preprocessing.formats import Still

_MOST_BOXES = 1000
_MOST_HELD = 2  # times the file's length that its items may be together
_NOTES = re.compile(rb"Exif|mime|cdsc")  # items beside the picture, and what ties them to it; nothing follows from them
_AVIF, _HEIC = re.compile(rb"avi[fs]"), re.compile(rb"he[iv][cxms]|mif1|msf1")

_NEEDED = (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 338, 339)
_TYPE_BYTES = {1: 1, 3: 2, 4: 4}  # BYTE, SHORT, LONG
_MOST_VALUES = 64 << 10  # of a tag: a picture has fewer strips
_PLAIN, _COMPRESSIONS = 1, {1: "none", 5: "LZW", 8: "Deflate", 32773: "PackBits", 32946: "Deflate"}


def more(content: bytes) -> Still | None:
    """Return the first picture of a HEIC, AVIF or TIFF file, None where it is none of them.

    Raises:
        UnreadableImage: the file is damaged, or in a form that is not read.
    """
    try:
        if content[4:8] == b"ftyp":
            brands = content[8 : min(int.from_bytes(content[:4], "big"), 256)]
            if _AVIF.search(brands):
                return _avif(_without_notes(content))
            return _heic(_without_notes(content)) if _HEIC.search(brands) else None
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
        return _tiff(content, order) if order else None
    except UnreadableImage:
        raise
    except Exception as error:  # the decoders raise many kinds over damaged files
        raise UnreadableImage from error


def _heic(content: bytes) -> Still:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    with Image.open(BytesIO(content), formats=("HEIF",)) as image:  # which applies the file's own turns
        return Still("HEIF", content, image.width, image.height, 4)


def _avif(content: bytes) -> Still:
    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    with Image.open(BytesIO(content), formats=("AVIF",)) as image:
        return Still("AVIF", content, image.width, image.height, 4, image.getexif().get(0x0112, 1))


def _without_notes(content: bytes) -> bytes:
    """Return a HEIF file whose notes are no more found; they may be listed so that they fill the memory."""
    for kind, start, end in _boxes(content, 0, len(content)):
        if kind == b"meta":
            if sum(_item_bytes(content, start + 4, end)) > _MOST_HELD * len(content):
                break
            return content[:start] + _NOTES.sub(b"skip", content[start:end]) + content[end:]
    raise UnreadableImage


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each box, and where its body starts and ends."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", content, start)
        head = 8
        if length == 1:
            (length,), head = struct.unpack_from(">Q", content, start + 8), 16
        stop = end if length == 0 else start + length
        if not start + head <= stop <= end:
            break
        yield kind, start + head, stop
        start = stop
    raise UnreadableImage


def _item_bytes(content: bytes, start: int, end: int) -> Iterator[int]:
    """Yield the lengths of the pieces that the items of a file consist of, as its box `iloc` has them."""
    at = next(start for kind, start, _ in _boxes(content, start, end) if kind == b"iloc")
    version, sizes = content[at], struct.unpack_from(">H", content, at + 4)[0]
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    count, at = int.from_bytes(content[at + 6 : at + 6 + wide], "big"), at + 6 + wide
    index = index if version else 0
    for _ in range(count):
        at += wide + (4 if version else 2) + base
        pieces = int.from_bytes(content[at : at + 2], "big")
        at += 2
        for _ in range(pieces):
            at += index + offset
            yield int.from_bytes(content[at : at + length], "big") or len(content)
            at += length
        if at > end:
            raise UnreadableImage


def _tiff(content: bytes, order: str) -> Still:
    """Return the first page, in a file whose directory has only what its pixels need."""
    entries = _tiff_entries(content, order)
    value = {tag: _tiff_value(content, order, entry) for tag, entry in entries.items()}
    width, height, bits = value[256], value[257], value.get(258, 1)
    compression, samples, rows = value.get(259, _PLAIN), value.get(277, 1), value.get(278, value[257])
    if compression not in _COMPRESSIONS or 273 not in entries:
        names = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise UnreadableImage(f"TIFF is read in strips with the compressions {names}: save it so, or as PNG.")
    if bits > 16 or value.get(339, 1) not in (1, 4):
        raise UnreadableImage("TIFF is read with whole levels of up to 16 bits: save it so, or as PNG.")
    stored = samples * bits / 8
    unpacked = 0 if compression == _PLAIN else stored * min(1, rows / max(1, height))
    cost = max(1 if samples == 1 and bits <= 8 and value.get(262) in (0, 1) else 4, stored) + unpacked
    orientation = value.pop(274, 1)  # not in the file, or Pillow would turn the page as well
    directory = struct.pack(order + "H", len(value)) + b"".join(entries[tag] for tag in value) + bytes(4)
    end = len(content) + len(content) % 2
    head = content[:4] + struct.pack(order + "I", end)
    page = head + content[8:].ljust(end - 8, b"\0") + directory
    from PIL import TiffImagePlugin  # noqa: F401  it registers itself

    return Still("TIFF", page, width, height, cost, orientation)


def _tiff_entries(content: bytes, order: str) -> dict[int, bytes]:
    """Return the entries of the first directory that are needed, by their tags; the orientation is told apart."""
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    found: dict[int, bytes] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, _, values = struct.unpack_from(order + "HHI", content, place)
        if tag in (*_NEEDED, 274):
            if values > _MOST_VALUES:
                raise UnreadableImage
            found.setdefault(tag, content[place : place + 12])
    return found


def _tiff_value(content: bytes, order: str, entry: bytes) -> int:
    """Return the greatest value of an entry: of bits that differ by channel it is the one that decides."""
    _, kind, count = struct.unpack_from(order + "HHI", entry)
    size = _TYPE_BYTES[kind]
    place = 8 if count * size <= 4 else int(struct.unpack_from(order + "I", entry, 8)[0])
    source = entry if count * size <= 4 else content
    return int(max(struct.unpack_from(f"{order}{count}{'_BH_I'[size]}", source, place)))
