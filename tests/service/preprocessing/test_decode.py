"""Decoding, against Pillow's own conversion and against numpy."""

import struct
import warnings
import zlib
from contextlib import suppress
from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageOps, PngImagePlugin

from service.errors import NoDigit, TooLarge, UnreadableImage, UnsupportedImage
from service.preprocessing.decode import ENOUGH, decode
from service.preprocessing.orientation import exif_orientation
from tests import drawing

LIMIT = 4_000_000
ROTATED = Image.Transpose.ROTATE_270


def read(content: bytes) -> npt.NDArray[np.int64]:
    return decode(content, max_pixels=LIMIT).astype(np.int64)


def colourful() -> Image.Image:
    """A picture with a gradient in each channel, so that a swapped channel or axis shows."""
    down, across = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([down * 5, across * 4, (down + across) * 2], axis=-1).astype(np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes, interlaced: int = 0) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        *[(name, {}) for name in ("PNG", "JPEG", "GIF", "BMP", "WEBP")],
        ("GIF", {"interlace": 1}),
        ("JPEG", {"progressive": True}),
    ],
)
def test_each_format_reads_as_pillow_reads_it(format: str, options: dict[str, int]) -> None:
    content = drawing.encode(colourful(), format, **options)
    expected = np.asarray(Image.open(BytesIO(content)).convert("RGB").convert("L"))
    assert read(content).shape == (48, 64)
    assert np.abs(read(content) - expected).max() <= {"GIF": 0, "PNG": 0, "BMP": 0}.get(format, 1 if options else 2)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("side", [60, 1900])
def test_sixteen_bits_with_few_used(bits: int, side: int) -> None:
    levels = np.asarray(drawing.digit(7, side=side, size=side // 2)).astype(np.uint16)
    content = drawing.encode(Image.fromarray((levels / 255.0 * (2**bits - 1)).round().astype(np.uint16)))
    assert np.abs(read(content) - read(drawing.encode(Image.fromarray(levels.astype(np.uint8))))).max() <= 1


def test_sixteen_bits_with_a_transparent_level() -> None:
    rows = (b"\0" + struct.pack(">HH", 40000, 1000) * 10) * 20
    pixels = read(raw_png(20, 20, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 40000))))
    assert np.unique(pixels).tolist() == [round(1000 / 257), 255]
    assert pixels[0, 0] == 255


def test_sixteen_bit_colour_with_a_transparent_colour_is_read() -> None:
    rows = b"".join(b"\0" + struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC) * 8 for _ in range(8))
    content = raw_png(8, 8, 16, 2, rows, chunk(b"tRNS", struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC)))
    assert read(content).shape == (8, 8)


def test_sixteen_bits_with_alpha() -> None:
    rows = b"".join(b"\0" + struct.pack(">HH", 0x4000, 0xFFFF) * 8 for _ in range(8))
    np.testing.assert_array_equal(read(raw_png(8, 8, 16, 4, rows)), np.full((8, 8), 0x40))


def test_interlaced_png() -> None:
    levels = np.asarray(colourful().convert("L"))
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1)]  # Adam7
    rows = b"".join(b"\0" + row.tobytes() for y, dy, x, dx in passes for row in levels[y::dy, x::dx])
    np.testing.assert_array_equal(read(raw_png(64, 48, 8, 0, rows, interlaced=1)), levels)


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_ink_on_transparent_stays_visible(mode: str, ink: int) -> None:
    image = Image.new("LA", (60, 60), (128, 0))
    ImageDraw.Draw(image).line((30, 10, 30, 50), fill=(ink, 255), width=6)
    content = drawing.encode(image.convert("RGBA").convert(mode))
    pixels = read(content)
    assert pixels[30, 30] == ink
    assert pixels[0, 0] == 255 - ink


def test_transparent_colour_of_a_gif() -> None:
    image = Image.new("P", (30, 30), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(1, (12, 5, 18, 25))
    pixels = read(drawing.encode(image, "GIF", transparency=0))
    assert (pixels[15, 15], pixels[0, 0]) == (0, 255)


def test_transparent_margin_of_a_cut_out_becomes_paper() -> None:
    paper = drawing.digit(4)
    image = Image.new("LA", (200, 200), (0, 0))
    image.paste(Image.merge("LA", (paper, Image.new("L", paper.size, 255))), (40, 40))
    expected = np.full((200, 200), 255)
    expected[40:160, 40:160] = np.asarray(paper)
    np.testing.assert_array_equal(read(drawing.encode(image)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(format: str, order: str, orientation: int) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "a camera"
    exif[0x0112] = orientation
    content = drawing.encode(colourful(), format, exif=exif.tobytes())
    upright = ImageOps.exif_transpose(Image.open(BytesIO(content)))
    assert np.abs(read(content) - np.asarray(upright.convert("L"))).max() <= 1
    assert read(content).shape == upright.size[::-1]


_ENTRY = b"II*\0\x08\0\0\0\1\0"  # the head of a directory of one entry
DAMAGED_EXIF = [
    b"",
    b"II*\0",
    b"II*\0\xff\xff\xff\xff",
    b"II*\0\x08\0\0\0\xff\xff" + bytes(12),
    b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40,
    _ENTRY + struct.pack("<HHIHH", 0x0112, 3, 1, 9, 0),
    _ENTRY + struct.pack("<HHII", 0x0112, 4, 1, 6),
    b"XX" + _ENTRY[2:] + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0),
    b"\xff" * 30,
]


# As `service.preprocessing.decode` has it; pytest puts its own filters in place of those of the program.
@pytest.mark.filterwarnings("ignore:::PIL.TiffImagePlugin")
@pytest.mark.parametrize("tiff", DAMAGED_EXIF)
@pytest.mark.parametrize("name", [b"Exif\0\0", b""])
def test_damaged_exif_does_not_cost_or_turn_the_picture(name: bytes, tiff: bytes) -> None:
    assert exif_orientation(tiff) == 1
    damaged, plain = (drawing.encode(colourful(), "JPEG", **options) for options in ({"exif": name + tiff}, {}))
    np.testing.assert_array_equal(read(damaged), read(plain))


@pytest.mark.parametrize("text", [' tiff:Orientation="6"/>', "><tiff:Orientation>6</tiff:Orientation>"])
def test_orientation_in_the_xmp_of_a_png(text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta><rdf:Description{text}</x:xmpmeta>")
    content = drawing.encode(colourful(), pnginfo=info)
    np.testing.assert_array_equal(read(content), np.asarray(colourful().convert("L").transpose(ROTATED)))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (20, 20), (level, level, level)) for level in (200, 30, 90)]
    content = drawing.encode(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    assert np.abs(read(content) - 200).max() <= 2


def test_mpo_of_a_telephone() -> None:
    content = drawing.encode(colourful(), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    assert np.abs(read(content) - np.asarray(colourful().convert("L"))).mean() < 3


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"<html>a</html>", b"PK\3\4" + bytes(40), b"\0" * 1000, b"BM", b"BMW, in text", b"P5 1 1 255 a"]
    + [drawing.encode(colourful(), name) for name in ("ICO", "PPM", "TGA", "PCX")],
)
def test_other_files_are_unsupported(content: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="PNG, JPEG, GIF, BMP, WebP, HEIC, AVIF or TIFF"):
        read(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\x0a\0\0", "JPEG XL"),
    ],
)
def test_common_unsupported_formats_are_named(content: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImage, match=f"^{name}.* JPEG or PNG"):
        read(content)


def noise() -> Image.Image:
    """A picture that hardly compresses, so that each part of its file is needed."""
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (48, 64, 3), np.uint8))


def test_largest_allowed_size() -> None:
    content = drawing.encode(Image.new("RGB", (20, 10)))
    assert decode(content, max_pixels=200).shape == (10, 20)
    with pytest.raises(TooLarge):
        decode(content, max_pixels=199)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_without_pixels(width: int, height: int) -> None:
    bitmap = bytearray(drawing.encode(Image.new("L", (4, 4)), "BMP"))
    bitmap[18:26] = struct.pack("<ii", width, height)
    for content in (raw_png(width, height, 8, 0, b""), bytes(bitmap)):
        with pytest.raises(UnreadableImage):
            read(content)


def test_no_warning_about_large_pictures() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        content = drawing.encode(Image.new("1", (10_000, 10_000)))
        assert min(decode(content, max_pixels=10**9).shape) >= ENOUGH


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (3, 3)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_too_narrow_for_a_digit(format: str, size: tuple[int, int]) -> None:
    if format == "WEBP":
        size = min(size[0], 16_000), min(size[1], 16_000)
    with pytest.raises(NoDigit, match=f"{size[0]} x {size[1]}"):
        read(drawing.encode(Image.new("L", size, 255), format))


def test_a_frame_larger_than_the_screen_of_a_gif_counts_for_the_size() -> None:
    gif = bytearray(drawing.encode(colourful(), "GIF"))
    gif[6:10] = struct.pack("<HH", 1, 1)
    assert read(bytes(gif)).shape == (48, 64)
    with pytest.raises(TooLarge):
        decode(bytes(gif), max_pixels=100)


@pytest.mark.parametrize("tail", [b"", b"\xff", bytes(4), b"\r\n"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
def test_jpeg_without_its_end(options: dict[str, int], tail: bytes) -> None:
    content = drawing.encode(drawing.digit(7, side=320).convert("RGB"), "JPEG", **options)
    np.testing.assert_array_equal(read(content[:-2] + tail), read(content))


def test_progressive_jpeg_without_a_scan_is_refused() -> None:
    content = drawing.encode(drawing.digit(7, side=320), "JPEG", progressive=True)
    with pytest.raises(UnreadableImage):
        read(content[: content.rindex(b"\xff\xda")])


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_sixteen_bit_colours_with_few_bits_used(bits: int) -> None:
    levels = np.asarray(drawing.digit(7).convert("RGB"))
    spread = (levels / 255 * (2**bits - 1)).round().astype(np.uint16)
    png = cv2.imencode(".png", spread)[1].tobytes()
    assert np.abs(read(png).astype(int) - read(drawing.png(7))).max() <= 1


def test_jpeg_truncated_in_its_last_rows_is_read() -> None:
    content = drawing.encode(noise().resize((320, 320)), "JPEG")
    whole, cut = read(content), read(content[: -len(content) // 20])
    assert 0.9 * len(whole) <= len(cut) < len(whole)
    np.testing.assert_array_equal(cut, whole[: len(cut)])


def test_png_truncated_after_its_pixels_is_read() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(colourful().convert("L")))
    content = raw_png(64, 48, 8, 0, rows)
    for missing in (12, 14, 16):
        np.testing.assert_array_equal(read(content[:-missing]), read(content))


@pytest.mark.parametrize("reserved", [b"\1\0\2\0", b"\xff" * 4])
def test_bitmap_with_reserved_fields(reserved: bytes) -> None:
    bitmap = drawing.encode(colourful(), "BMP")
    np.testing.assert_array_equal(read(bitmap[:6] + reserved + bitmap[10:]), read(bitmap))


def test_smallest_webp(capfd: pytest.CaptureFixture[str]) -> None:
    body = b"\x2f" + struct.pack("<I", 7 | 7 << 14) + bytes.fromhex("888808")
    webp = b"RIFF" + struct.pack("<I", 20) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    assert len(webp) == 28
    assert read(webp).shape == (8, 8)
    with suppress(UnreadableImage):
        read(webp[:25])
    assert capfd.readouterr() == ("", "")
