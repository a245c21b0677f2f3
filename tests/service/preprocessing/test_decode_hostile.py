"""Malicious and damaged files: rejected with one of our errors, quickly and in little memory."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.errors import NoDigit, TooLarge, UnreadableImage, UnsupportedImage
from service.preprocessing.decode import decode
from service.settings import Settings
from tests import drawing
from tests.service.preprocessing.test_decode import chunk, colourful, raw_png
from tests.service.preprocessing.test_formats import after_soi, before_idat, before_image, segment

ROOT = Path(__file__).parents[3]
LIMIT = Settings().max_pixels
SIDE = int(LIMIT**0.5)  # of the largest colour picture
REFUSAL_SECONDS, MOST_MEBIBYTES = 0.2, 64

# Peak memory above what the process holds before, and the processor time, of decoding each file of a directory. Freed
# memory goes back to the system at once (see the environment), so that one file does not pay for the next.
MEASURE = """
import json, sys, time
from pathlib import Path
from service.errors import RequestError
from service.preprocessing.decode import decode

def kibibytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

def outcome(content):
    start = time.process_time()
    try:
        decode(content, max_pixels=int(sys.argv[2]))
        answer = "read"
    except RequestError as error:
        answer = f"{error.status} {error.code}"
    return answer, time.process_time() - start

found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    content = path.read_bytes()
    outcome(content[:100])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = kibibytes("VmRSS")
    runs = [outcome(content)]
    while runs[0][0] != "read" and min(runs)[1] > 0.1 and len(runs) < 5:  # the machine may have been busy
        runs.append(outcome(content))
    found[path.name] = (runs[0][0], min(seconds for _, seconds in runs), (kibibytes("VmHWM") - before) / 1024)
print(json.dumps(found))
"""

# The peak of decoding a file in eight threads, twice each.
IN_THREADS = """
import sys, threading
from pathlib import Path
from service.preprocessing.decode import decode

def kibibytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

content, before = Path(sys.argv[1]).read_bytes(), kibibytes("VmRSS")
for _ in range(2):
    read = lambda: decode(content, max_pixels=int(sys.argv[2]))
    threads = [threading.Thread(target=read) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print((kibibytes("VmHWM") - before) / 1024)
"""


def zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def jpeg_head(width: int, height: int, components: int, *, frame: int = 0xC2, scans: int = 1) -> bytes:
    """A JPEG of a few bytes that claims any size; its scans end at once."""
    parts = b"".join(bytes([index + 1, 0x11, 0]) for index in range(components))
    order = bytes([components]) + b"".join(bytes([index + 1, 0]) for index in range(components))
    head = [
        segment(0xDB, b"\0" + bytes([1] * 64)),
        segment(frame, struct.pack(">BHHB", 8, height, width, components) + parts),
        segment(0xC4, b"\0\1" + bytes(15) + b"\0"),
    ]
    return b"\xff\xd8" + b"".join(head) + (segment(0xDA, order + b"\0\0\0") + b"\0\0") * scans + b"\xff\xd9"


def claiming(content: bytes, position: int, layout: str, *sides: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, position, *sides)
    return bytes(changed)


TINY_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"


def bitmap(width: int, height: int, compression: int = 1) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, 0, 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 62) + info + bytes(8) + b"\0\1" * 400


def profile_part(part: int, parts: int) -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0" + bytes((part, parts)) + bytes(100))


def exif_of_itself() -> bytes:
    """A directory that is its own sub-directory and successor."""
    entries = struct.pack(">HHII", 0x8769, 4, 1, 8) + struct.pack(">HHII", 0x8825, 4, 1, 8)
    return b"MM\0*" + struct.pack(">IH", 8, 2) + entries + struct.pack(">I", 8)


def exif_of_endless_entries() -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 1, 60_000, 8) for tag in range(1000, 5000))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 4000) + entries + bytes(16_000)


@cache
def refused() -> dict[str, tuple[bytes, str]]:
    jpeg, gif, bmp = (drawing.encode(colourful(), name) for name in ("JPEG", "GIF", "BMP"))
    webp = drawing.encode(colourful(), "WEBP", exif=b"Exif\0\0II*\0")
    start_of_frame = jpeg.index(b"\xff\xc0")
    frame_of_gif = gif.index(b",\0\0\0\0")
    too_large, damaged = "413 too_large", "422 unreadable_image"
    return {
        "PNG claims 50000 x 50000": (raw_png(50_000, 50_000, 8, 0, b""), too_large),
        "PNG claims 2^31 - 1": (raw_png(2**31 - 1, 2**31 - 1, 16, 6, b""), too_large),
        "PNG claims more than it holds": (raw_png(SIDE, SIDE, 8, 6, bytes(100)), damaged),
        "JPEG claims 65500 x 65500": (claiming(jpeg, start_of_frame + 5, ">HH", 65_500, 65_500), too_large),
        "JPEG claims no height": (claiming(jpeg, start_of_frame + 5, ">H", 0), damaged),
        "progressive JPEG claims 20000 x 20000": (jpeg_head(20_000, 20_000, 3), too_large),
        "progressive JPEG of 1000 scans": (jpeg_head(SIDE, SIDE, 1, scans=1000), damaged),
        "lossless JPEG": (jpeg_head(SIDE, SIDE, 3, frame=0xC3), damaged),
        "GIF claims 65535 x 65535": (claiming(gif, 6, "<HH", 65_535, 65_535), too_large),
        "GIF claims a frame of 65535 x 65535": (claiming(gif, frame_of_gif + 5, "<HH", 65_535, 65_535), too_large),
        "GIF places its frame far away": (claiming(gif, frame_of_gif + 1, "<HH", 65_000, 65_000), too_large),
        "BMP claims 50000 x -50000": (claiming(bmp, 18, "<ii", 50_000, -50_000), too_large),
        "BMP claims -64 x 48": (claiming(bmp, 18, "<ii", -64, 48), damaged),
        "BMP claims 3000 x 3000": (claiming(bmp, 18, "<ii", 3000, 3000), damaged),
        "WebP claims 2^24 x 2^24": (claiming(webp, 24, "<IH", 0xFFFFFFFF, 0xFFFF), too_large),
        "WebP claims 3000 x 1000": (claiming(webp, 24, "<IH", 2999 | 999 << 24 & 0xFFFFFFFF, 999 >> 8), damaged),
        "PNG of 1,000,000 chunks": (before_idat(drawing.png(), chunk(b"teSt", b"") * 1_000_000), damaged),
        "PNG whose data are 1,000,000 chunks": (before_idat(drawing.png(), chunk(b"IDAT", b"") * 1_000_000), damaged),
        "JPEG of 3,000,000 segments": (after_soi(jpeg, b"\xff\xe5\0\2" * 3_000_000), damaged),
        "GIF of 4,000,000 sub-blocks": (before_image(gif, b"!\xfe" + b"\1a" * 4_000_000 + b"\0"), damaged),
        "PNG cut off": (raw_png(SIDE, SIDE, 8, 6, b"")[:33] + chunk(b"IDAT", zeros(SIDE * SIDE * 4)[:-500]), damaged),
        "BMP upside down and run-length encoded": (bitmap(2**31 - 1, 1 - 2**31), too_large),
        "PNG of one row": (raw_png(30_000, 1, 8, 0, bytes(30_001)), "422 no_digit"),
        "PNG of one column": (raw_png(1, 30_000, 8, 0, bytes(60_000)), "422 no_digit"),
        "text": (b"this is a digit: 7\n" * 1000, "415 unsupported_image"),
        "14 MB of nothing after JPEG's first bytes": (b"\xff\xd8\xff\xe0" + bytes(14 << 20), damaged),
        "14 MB of fill bytes": (b"\xff\xd8" + b"\xff" * (14 << 20), damaged),
    }


@cache
def accepted() -> dict[str, bytes]:
    """The costliest pictures of each kind that are still read, and metadata that would unpack without end."""
    webp, animated = (
        Image.new("RGBA", (int((LIMIT / 2) ** 0.5),) * 2),
        Image.new("RGBA", (int((LIMIT * 2 / 7) ** 0.5),) * 2),
    )
    deep, jpeg, gif = int((LIMIT / 2) ** 0.5), *(drawing.encode(colourful(), name) for name in ("JPEG", "GIF"))
    return {
        "RGBA": raw_png(SIDE, SIDE, 8, 6, bytes(SIDE * (SIDE * 4 + 1))),
        "RGBA of 16 bits": raw_png(deep, deep, 16, 6, bytes(deep * (deep * 8 + 1))),
        "grey": raw_png(2 * SIDE, 2 * SIDE, 8, 0, bytes(2 * SIDE * (2 * SIDE + 1))),
        "palette with alpha": raw_png(
            SIDE, SIDE, 8, 3, bytes(SIDE * (SIDE + 1)), chunk(b"PLTE", bytes(768)), chunk(b"tRNS", b"\5")
        ),
        "GIF": drawing.encode(Image.new("P", (SIDE, SIDE)), "GIF"),
        "BMP": drawing.encode(Image.new("RGB", (SIDE, SIDE)), "BMP"),
        "WebP": drawing.encode(Image.new("RGB", (SIDE, SIDE)), "WEBP", method=0),
        "WebP with alpha": drawing.encode(webp, "WEBP", lossless=True, method=0),
        "animated WebP": drawing.encode(animated, "WEBP", save_all=True, append_images=[webp.resize(animated.size, 0)]),
        "progressive JPEG": jpeg_head(int((LIMIT * 2 / 3) ** 0.5), int((LIMIT * 2 / 3) ** 0.5), 3),
        "progressive CMYK": jpeg_head(deep, deep, 4),
        "JPEG": drawing.encode(Image.new("L", (SIDE * 14 // 5, SIDE * 14 // 5)), "JPEG"),
        "PNG with a text that unpacks to 64 MB": before_idat(
            drawing.png(), chunk(b"zTXt", b"a\0\0" + zeros(64 << 20)), chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(64 << 20))
        ),
        "PNG with a profile that unpacks to 64 MB": before_idat(
            drawing.png(), chunk(b"iCCP", b"a\0\0" + zeros(64 << 20))
        ),
        "GIF of 10,000 frames": gif[:-1] + TINY_FRAME * 10_000 + b";",
        "JPEG with a profile in 200 parts": after_soi(jpeg, *(profile_part(part, 200) for part in range(1, 201))),
        "JPEG with EXIF that refers to itself": after_soi(jpeg, segment(0xE1, b"Exif\0\0" + exif_of_itself())),
        "PNG with endless EXIF": before_idat(drawing.png(), chunk(b"eXIf", exif_of_endless_entries())),
        "JPEG with endless EXIF": after_soi(jpeg, segment(0xE1, b"Exif\0\0" + exif_of_endless_entries())),
    }


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome, the seconds and the mebibytes of each file."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured by Linux's /proc")
    files = tmp_path_factory.mktemp("files")
    for name, content in ({name: entry[0] for name, entry in refused().items()} | accepted()).items():
        (files / name).write_bytes(content)
    environment = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MEASURE, str(files), str(LIMIT)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def test_each_hostile_file_gets_the_right_error(measured: dict[str, Any]) -> None:
    expected = {name: answer for name, (_, answer) in refused().items()}
    assert {name: measured[name][0] for name in expected} == expected


def test_refusals_are_soon(measured: dict[str, Any]) -> None:
    assert {name: measured[name] for name in refused() if measured[name][1] > REFUSAL_SECONDS} == {}


def test_files_within_the_limits_are_read(measured: dict[str, Any]) -> None:
    assert {name: measured[name] for name in accepted() if measured[name][0] != "read"} == {}


def test_nothing_takes_much_memory(measured: dict[str, Any]) -> None:
    assert {name: entry for name, entry in measured.items() if entry[2] > MOST_MEBIBYTES} == {}


def test_large_pictures_at_once_take_no_more_memory_than_one(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is measured by Linux's /proc")
    (tmp_path / "picture").write_bytes(accepted()["RGBA"])
    command = [sys.executable, "-c", IN_THREADS, str(tmp_path / "picture"), str(LIMIT)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) < 2 * MOST_MEBIBYTES


@pytest.mark.parametrize(
    "encode",
    [
        lambda image: drawing.encode(image),
        lambda image: drawing.encode(image.convert("LA")),
        lambda image: drawing.encode(image, "JPEG"),
        lambda image: drawing.encode(image, "JPEG", progressive=True),
        lambda image: drawing.encode(image, "GIF"),
        lambda image: drawing.encode(image, "BMP"),
        lambda image: drawing.encode(image, "WEBP"),
        lambda image: drawing.encode(image, "WEBP", lossless=True, exif=b"Exif\0\0II*\0"),
        lambda image: drawing.encode(image, "WEBP", save_all=True, append_images=[Image.new("L", image.size)]),
    ],
    ids=["PNG", "LA", "JPEG", "progressive", "GIF", "BMP", "WEBP", "lossless", "animated"],
)
def test_truncated_at_any_byte_a_file_is_rejected_or_read(encode: Callable[[Image.Image], bytes]) -> None:
    content = encode(Image.fromarray(np.random.default_rng(5).integers(0, 256, (20, 16), np.uint8)))
    whole = decode(content, max_pixels=LIMIT)
    for length in range(len(content)):
        with suppress(UnreadableImage, UnsupportedImage):
            np.testing.assert_array_equal(decode(content[:length], max_pixels=LIMIT), whole, f"{length} bytes")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_mutated_header_is_read_or_rejected(format: str) -> None:
    content = drawing.encode(colourful(), format)
    for position in range(min(len(content), 120)):
        for value in (0x00, 0x7F, 0xFF):
            changed = content[:position] + bytes([value]) + content[position + 1 :]
            with suppress(UnreadableImage, UnsupportedImage, TooLarge, NoDigit):
                assert decode(changed, max_pixels=1_000_000).ndim == 2
