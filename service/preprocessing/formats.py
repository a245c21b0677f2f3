"""File of a picture -> the bytes that its first frame is decoded from, and what decoding them costs.

A decoder reads whatever a file holds: notes, previews, profiles, a million chunks of nothing, every frame's head. Here
only what the pixels need is copied on, by walking over the blocks of the five formats, and the size, the EXIF
orientation and the bytes that a pixel takes are told before anything is decoded. Specifications: PNG third edition,
ITU-T T.81 (JPEG), GIF89a, the WebP container (RFC 9649), TIFF 6.0 and EXIF 2.32 for the orientation.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from service.errors import TooLarge, UnreadableImage, UnsupportedImage
from service.preprocessing import jpeg_scans
from service.preprocessing.orientation import MOST_XMP, exif_orientation, xmp_orientation

# No encoder writes so many; each costs an interpreter some microseconds.
_MOST_BLOCKS = 10_000
_MOST_FILL_BYTES = 64 << 10  # between two segments of a JPEG
_MOST_TABLE_BYTES = 256 << 10  # all that a JPEG needs before its first scan
# Pillow decodes run lengths of bitmaps in Python, pixel by pixel.
_MOST_RUN_LENGTH_BYTES, _RUN_LENGTH_COST = 128 << 10, 64  # the cost is time, put as memory

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED = (b"PLTE", b"tRNS", b"IDAT")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

_JPEG_MARKER = re.compile(rb"\xff([^\xff\x00\x01\xd0-\xd9])")  # of a segment with a length
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# The frame, DHT, DAC, DQT, DRI, and JFIF's and Adobe's notes on colour.
_JPEG_NEEDED = _JPEG_FRAMES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE}
_JPEG_SCAN, _JPEG_END = 0xDA, b"\xff\xd9"

_WEBP_ALPHA, _WEBP_ANIMATION = 0x10, 0x02


class Still(NamedTuple):
    """The first frame of a file, not decoded yet."""

    format: str  # as Pillow calls it
    content: bytes  # a file of this format with that frame alone
    width: int  # as stored, before `orientation`
    height: int
    pixel_bytes: float  # memory that decoding takes a pixel, at most
    orientation: int = 1  # EXIF 2.32, tag 0x0112
    animated: bool = False
    colours_spared: bool = False  # it has colours, and can be decoded without them
    ended: bool = True  # its end is there

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as it is looked at."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def still(content: bytes) -> Still:
    """Return the first frame of a file in one of the formats.

    Raises:
        UnsupportedImage: the bytes are in none of them.
        UnreadableImage: the file is damaged, cut off before its size is told, or has a head without end.
        TooLarge: decoding it would take too long.
    """
    for signature, read in _READERS.items():
        if signature.match(content):
            try:
                return read(content)
            except (struct.error, IndexError) as error:
                raise UnreadableImage from error
    from service.preprocessing.more_formats import more  # which needs this module, and few files need it

    if found := more(content):
        return found
    for signature, name in _NAMES.items():
        if signature.match(content):
            raise UnsupportedImage(f"{name} is not read here: send the picture as JPEG or PNG.")
    raise UnsupportedImage(
        "This is not a picture in a supported format: send PNG, JPEG, GIF, BMP, WebP, HEIC, AVIF or TIFF."
    )


def _png(content: bytes) -> Still:
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    view = memoryview(content)
    kept: list[bytes | memoryview] = [view[:33]]
    orientation = 1
    for kind, start, end in _png_chunks(content):
        if kind in _PNG_NEEDED:
            kept.extend(_png_chunk(view, start, end))
        elif kind == b"eXIf":
            orientation = exif_orientation(content[start + 8 : end - 4])
        elif kind == b"iTXt" and orientation == 1:
            orientation = xmp_orientation(content[start + 8 : min(end, start + MOST_XMP)])
    needed = content if sum(map(len, kept)) + len(_PNG_END) == len(content) else b"".join([*kept, _PNG_END])
    # What a pixel takes unpacked, and at least what it takes in Pillow: one byte grey, else four.
    cost = max(4 if colour else 1, {2: 3, 4: 2, 6: 4}.get(colour, 1) * depth // 8)
    return Still("PNG", needed, width, height, cost * (1 + interlaced), orientation)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the start and the end of each chunk between the header and the end."""
    start = 33
    for _ in range(_MOST_BLOCKS):
        if start + 8 > len(content):
            return
        length, kind = struct.unpack_from(">I4s", content, start)
        if kind == b"IEND":
            return
        end = start + 12 + length
        if end > len(content) and kind != b"IDAT":
            break
        yield kind, start, min(end, len(content))
        start = end
    raise UnreadableImage


def _png_chunk(content: memoryview, start: int, end: int) -> list[bytes | memoryview]:
    """Return a chunk as it is; of one that the file's end cuts off what there is, which may be all that matters."""
    if end - start >= 12 + int.from_bytes(content[start : start + 4], "big"):
        return [content[start:end]]
    body = content[start + 4 : end]
    return [struct.pack(">I", len(body) - 4), body, struct.pack(">I", zlib.crc32(body))]


def _jpeg(content: bytes) -> Still:
    view = memoryview(content)
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    orientation, frame = 1, None
    for marker, start, end in _jpeg_segments(content):
        if marker == _JPEG_SCAN:
            break
        if marker in _JPEG_FRAMES:
            frame = frame or (marker, start)
        if marker in _JPEG_NEEDED:
            kept.append(view[start:end])
        elif marker == 0xE1 and content[start + 4 : start + 10] == b"Exif\0\0":
            orientation = exif_orientation(content[start + 10 : end])
    if frame is None or sum(map(len, kept)) > _MOST_TABLE_BYTES:
        raise UnreadableImage
    height, width, components = struct.unpack_from(">HHB", content, frame[1] + 5)
    ended = content.rfind(_JPEG_END, start) > 0
    cost = jpeg_scans.pixel_bytes(content, *frame, start, ended=ended)
    kept += [view[start:]] if ended else [content[start:].removesuffix(_JPEG_END[:1]), _JPEG_END]
    coloured = components > 1
    return Still("JPEG", b"".join(kept), width, height, cost, orientation, colours_spared=coloured, ended=ended)


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, the start and the end of each segment up to the first scan; what lies between is skipped."""
    end = 2
    for _ in range(_MOST_BLOCKS):
        found = _JPEG_MARKER.search(content, end, end + _MOST_FILL_BYTES)
        if found is None:
            break
        start = found.start(1) - 1
        end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        yield found[1][0], start, end
    raise UnreadableImage


def _gif(content: bytes) -> Still:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    table_end = 13 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
    position, control = _gif_image(content, table_end)
    left, top, across, down = struct.unpack_from("<HHHH", content, position + 1)
    still = content[:table_end] + control + content[position:]
    return Still("GIF", still, max(width, left + across), max(height, top + down), 4)


def _gif_image(content: bytes, position: int) -> tuple[int, bytes]:
    """Return where the first image begins, and the control block with which its transparent colour is given."""
    control = b""
    blocks = _MOST_BLOCKS
    while content[position] == 0x21 and blocks:
        if content[position + 1] == 0xF9 and content[position + 3] & 1:
            control = b"!\xf9\4\1\0\0" + content[position + 6 : position + 7] + b"\0"
        position += 2
        while content[position] and blocks:
            position += 1 + content[position]
            blocks -= 1
        position += 1
        blocks -= 1
    if content[position] != 0x2C or blocks <= 0:
        raise UnreadableImage
    return position, control


def _bmp(content: bytes) -> Still:
    (head,) = struct.unpack_from("<I", content, 14)
    if head == 12:
        width, height = struct.unpack_from("<HH", content, 18)
        return Still("BMP", content, width, height, 4)
    width, height, _, _, compression = struct.unpack_from("<iiHHI", content, 18)
    run_lengths = compression in (1, 2)
    if run_lengths and len(content) > _MOST_RUN_LENGTH_BYTES:
        raise TooLarge("The bitmap is compressed and large: send it as PNG.")
    return Still("BMP", content, width, abs(height), _RUN_LENGTH_COST if run_lengths else 4)


def _webp(content: bytes) -> Still:
    chunks = list(islice(_webp_chunks(content), _MOST_BLOCKS))
    first, start, _ = chunks[0]
    if first == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, start + 14))
        return Still("WEBP", content, width, height, 4)
    if first == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, start + 9)
        return Still("WEBP", content, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 8)
    if first != b"VP8X":
        raise UnreadableImage
    return _extended_webp(content, chunks)


def _extended_webp(content: bytes, chunks: list[tuple[bytes, int, int]]) -> Still:
    flags, *sides = struct.unpack_from("<B3x3s3s", content, 20)
    width, height = (1 + int.from_bytes(side, "little") for side in sides)
    exif = next((content[start + 8 : end] for kind, start, end in chunks if kind == b"EXIF"), b"")
    orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
    if flags & _WEBP_ANIMATION:
        return Still("WEBP", _first_of_webp(content, chunks), width, height, 14, orientation, animated=True)
    plain = any(kind == b"VP8 " for kind, _, _ in chunks) and not flags & _WEBP_ALPHA
    return Still("WEBP", content, width, height, 4 if plain else 8, orientation)


def _first_of_webp(content: bytes, chunks: list[tuple[bytes, int, int]]) -> bytes:
    kept = [content[start:end] for kind, start, end in chunks if kind in (b"VP8X", b"ANIM")]
    kept += [content[start:end] for kind, start, end in chunks if kind == b"ANMF"][:1]
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, the start and the end of each chunk, its padding to an even length included."""
    start = 12
    while start + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, start)
        end = start + 8 + length + length % 2
        yield kind, start, end
        start = end
    if start == 12:
        raise UnreadableImage


_READERS: dict[re.Pattern[bytes], Callable[[bytes], Still]] = {
    re.compile(re.escape(_PNG)): _png,
    re.compile(rb"\xff\xd8\xff"): _jpeg,
    re.compile(rb"GIF8[79]a"): _gif,
    # The size of its second head tells it from text that begins with BM.
    re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}", re.DOTALL): _bmp,
    re.compile(rb"RIFF.{4}WEBP", re.DOTALL): _webp,
}

_NAMES = {
    re.compile(rb"%PDF-"): "PDF",
    re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "): "JPEG XL",
    re.compile(rb"\s*<(\?xml|!DOCTYPE svg|svg)", re.IGNORECASE): "SVG",
}
