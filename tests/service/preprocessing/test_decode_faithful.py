"""Decoding against values that are computed here, within a level or two."""

import struct
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from service.preprocessing.decode import ENOUGH, decode
from tests import drawing
from tests.service.preprocessing.test_decode import chunk, colourful, raw_png

Levels = npt.NDArray[np.float64]
LIMIT = 13_000_000


def read(content: bytes) -> Levels:
    return decode(content, max_pixels=LIMIT).astype(np.float64)


def luma(colours: npt.NDArray[np.uint8]) -> Levels:
    """ITU-R BT.601."""
    weighted: Levels = colours[..., :3].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return weighted


def colours() -> npt.NDArray[np.uint8]:
    return np.asarray(colourful())


def ink_mask(side: int = 120) -> npt.NDArray[np.uint8]:
    """The soft-edged coverage of a digit, 255 = ink."""
    return 255 - np.asarray(drawing.digit(3, side=side))


def with_alpha(colour: tuple[int, int, int], alpha: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.new("RGB", alpha.shape[::-1], colour).convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    return image


def blended(ink: float, alpha: npt.NDArray[np.uint8], background: float) -> Levels:
    share = alpha / 255.0
    result: Levels = ink * share + background * (1 - share)
    return result


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_png_of_each_depth(depth: int) -> None:
    levels = np.random.default_rng(1).integers(0, 2**depth, (16, 24))
    bits = (levels[..., None] >> np.arange(depth)[::-1] & 1).reshape(16, -1).astype(np.uint8)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    np.testing.assert_array_equal(read(raw_png(24, 16, depth, 0, rows)), levels * 255 / (2**depth - 1))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palette_png_of_each_depth_with_an_alpha_for_each_colour(depth: int) -> None:
    generator = np.random.default_rng(2)
    palette = generator.integers(0, 256, (2**depth, 3)).astype(np.uint8)
    palette[0], palette[-1] = 0, 255  # so that the luma tells the colours apart
    alpha = np.concatenate([np.full(2**depth - 1, 255), [0]]).astype(np.uint8)
    indices = generator.integers(0, 2**depth, (16, 24))
    indices[0] = 2**depth - 1
    bits = (indices[..., None] >> np.arange(depth)[::-1] & 1).reshape(16, -1).astype(np.uint8)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    plain = raw_png(24, 16, depth, 3, rows, chunk(b"PLTE", palette.tobytes()))
    clear = raw_png(24, 16, depth, 3, rows, chunk(b"PLTE", palette.tobytes()), chunk(b"tRNS", alpha.tobytes()))
    assert np.abs(read(plain) - luma(palette[indices])).max() <= 1
    shown = indices < 2**depth - 1
    assert np.abs(read(clear) - luma(palette[indices]))[shown].max() <= 1
    assert np.unique(read(clear)[~shown]).tolist() in ([0], [255])


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_png(channels: int) -> None:
    deep = np.random.default_rng(3).integers(0, 65536, (16, 24, channels)).astype(np.uint16)
    deep[..., 3:] = 65535
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    assert np.abs(read(raw_png(24, 16, 16, 2 if channels == 3 else 6, rows)) - luma(deep / 257.0)).max() <= 1.5


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bitmaps(mode: str) -> None:
    image = colourful().convert(mode)
    expected = luma(np.asarray(image.convert("RGB")))
    assert np.abs(read(drawing.encode(image, "BMP")) - expected).max() <= 1


def test_bitmap_of_sixteen_bits() -> None:
    steps = np.random.default_rng(4).integers(0, 32, (8, 8, 3))
    words = (steps[..., 0] << 10 | steps[..., 1] << 5 | steps[..., 2]).astype("<u2")
    head = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 16, 0, 128, 0, 0, 0, 0)
    bitmap = b"BM" + struct.pack("<IHHI", 54 + 128, 0, 0, 54) + head + words[::-1].tobytes()
    assert np.abs(read(bitmap) - luma((steps * 255 / 31).astype(np.float64))).max() <= 2


def test_rle_bitmap() -> None:
    head = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 8, 1, 0, 0, 0, 256, 0)
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1).tobytes()
    runs = b"".join(bytes([3, 10 * row, 5, 200, 0, 0]) for row in range(8)) + b"\0\1"
    bitmap = b"BM" + struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024) + head + palette + runs
    expected = [[10 * row] * 3 + [200] * 5 for row in reversed(range(8))]
    np.testing.assert_array_equal(read(bitmap), expected)


def test_bitmap_from_top_to_bottom() -> None:
    content = bytearray(drawing.encode(colourful(), "BMP"))
    content[22:26] = struct.pack("<i", -48)
    assert np.abs(read(bytes(content)) - luma(colours())[::-1]).max() <= 1


def test_bitmap_whose_alpha_was_never_set_is_opaque() -> None:
    image = colourful().convert("RGBA")
    image.putalpha(0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, 64, -48, 1, 32, 3, 0, 0, 0, 0, 0) + masks + bytes(52)
    pixels = np.asarray(image)[..., [2, 1, 0, 3]].tobytes()
    bitmap = b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 14 + 108) + head + pixels
    assert np.abs(read(bitmap) - luma(colours())).max() <= 1


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp(mode: str, lossless: bool) -> None:
    content = drawing.encode(colourful().convert(mode), "WEBP", lossless=lossless, quality=95)
    assert np.abs(read(content) - luma(colours())).mean() <= (0.5 if lossless else 2)


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_with_transparency(lossless: bool) -> None:
    content = drawing.encode(with_alpha((0, 0, 0), ink_mask()), "WEBP", lossless=lossless)
    assert np.abs(read(content) - blended(0, ink_mask(), 255)).max() <= (1 if lossless else 4)


def test_large_opaque_webp_is_read_without_its_colours() -> None:
    image = colourful().resize((1800, 1350))
    expected = luma(np.asarray(image.reduce(2)))
    assert np.abs(read(drawing.encode(image, "WEBP", quality=90, method=0)) - expected).mean() < 2


@pytest.mark.parametrize(("mode", "off"), [("RGB", 1), ("CMYK", 2)])
def test_jpeg_of_unconverted_colours_or_in_the_sense_of_adobe(mode: str, off: int) -> None:
    options = {"keep_rgb": True} if mode == "RGB" else {}
    content = drawing.encode(colourful().convert(mode), "JPEG", quality=98, **options)
    assert np.abs(read(content) - luma(colours())).mean() < off


def test_ycck_jpeg_decodes_as_pillow_does() -> None:
    content = bytearray(drawing.encode(colourful().convert("CMYK"), "JPEG", quality=98))
    content[content.index(b"Adobe") + 11] = 2
    expected = luma(np.asarray(Image.open(BytesIO(bytes(content))).convert("RGB")))
    assert np.abs(read(bytes(content)) - expected).max() <= 2


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}, {"mode": "CMYK"}, {"mode": "L"}])
def test_a_large_jpeg_is_decoded_reduced_and_still_the_same(options: dict[str, str]) -> None:
    image = drawing.digit(8, side=2000, size=700).convert(options.pop("mode", "RGB"))
    pixels = read(drawing.encode(image, "JPEG", quality=92, **options))
    expected = luma(np.asarray(image.convert("RGB").reduce(2)))
    assert pixels.shape == (1000, 1000)
    assert np.abs(pixels - expected).mean() < 1


@pytest.mark.parametrize(
    ("size", "shape"),
    [((4000, 3000), (750, 1000)), ((3968, 2976), (744, 992)), ((1799, 900), (900, 1799)), ((4, 9000), (1125, 1))],
)
def test_how_far_a_jpeg_is_reduced(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert read(drawing.encode(Image.new("L", size), "JPEG")).shape == shape


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_a_large_png_is_averaged_in_bands(mode: str) -> None:
    image = drawing.digit(5, side=2755, size=1500).convert(mode)
    pixels = read(drawing.encode(image, compress_level=1))
    assert pixels.shape == (919, 919)
    assert min(pixels.shape) >= ENOUGH
    assert np.abs(pixels - np.asarray(image.convert("L").reduce(3), np.float64)).max() <= 1


def test_a_large_png_of_sixteen_bits() -> None:
    levels = np.linspace(0, 65535, 1800 * 1800).astype(np.uint16).reshape(1800, 1800)
    expected = (levels / 257).reshape(900, 2, 900, 2).mean(axis=(1, 3))
    assert np.abs(read(drawing.encode(Image.fromarray(levels), compress_level=1)) - expected).max() <= 1


def test_large_ink_on_transparent_has_one_background_in_all_bands() -> None:
    alpha = ink_mask(1900)
    expected = blended(255, alpha, 0).reshape(950, 2, 950, 2).mean(axis=(1, 3))
    assert np.abs(read(drawing.encode(with_alpha((255, 255, 255), alpha), compress_level=1)) - expected).max() <= 1


def test_orientation_is_applied_to_what_was_reduced() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = colourful().resize((2000, 1500))
    upright = luma(np.asarray(image.reduce(2).transpose(Image.Transpose.ROTATE_270)))
    for name in ("JPEG", "PNG", "WEBP"):
        pixels = read(drawing.encode(image, name, exif=exif))
        assert pixels.shape == (1000, 750)
        assert np.abs(pixels - upright).mean() < 2


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 255, 0), (0, 0, 200), (220, 0, 0)])
@pytest.mark.parametrize("opacity", [1.0, 0.5])
def test_soft_edged_ink_is_blended_with_a_background_that_shows_it(
    colour: tuple[int, int, int], opacity: float
) -> None:
    alpha = np.rint(ink_mask() * opacity).astype(np.uint8)
    ink = float(luma(np.array(colour)))
    background = 0 if ink > 127 else 255
    pixels = read(drawing.encode(with_alpha(colour, alpha)))
    assert np.abs(pixels - blended(ink, alpha, background)).max() <= 2


@pytest.mark.parametrize(("ink", "outline"), [(0, 255), (255, 0)])
def test_sticker_goes_on_the_colour_of_its_outline(ink: int, outline: int) -> None:
    image = Image.new("LA", (120, 120), (128, 0))
    draw = ImageDraw.Draw(image)
    draw.line((60, 20, 60, 100), fill=(outline, 255), width=24)
    draw.line((60, 26, 60, 94), fill=(ink, 255), width=10)
    pixels = read(drawing.encode(image))
    assert (pixels[60, 60], pixels[60, 50], pixels[5, 5]) == (ink, outline, outline)


def test_ink_of_changing_pressure_is_ink_alone() -> None:
    image = Image.new("LA", (120, 120), (0, 0))
    for row in range(20, 100):
        ImageDraw.Draw(image).line((57, row, 62, row), fill=((row - 20) * 3 // 2, 255))
    assert read(drawing.encode(image))[5, 5] == 255


def test_hidden_colours_under_full_transparency_stay_hidden() -> None:
    image = drawing.digit(7).convert("RGBA")
    image.putalpha(0)
    assert np.ptp(read(drawing.encode(image))) == 0


def test_first_frame_of_a_gif_that_is_smaller_than_the_screen() -> None:
    gif = bytearray(drawing.encode(Image.new("L", (20, 30), 40), "GIF"))
    gif[6:10] = struct.pack("<HH", 60, 50)
    frame = gif.index(b",\0\0\0\0")
    gif[frame + 1 : frame + 5] = struct.pack("<HH", 10, 15)
    pixels = read(bytes(gif))
    assert pixels.shape == (50, 60)
    assert (pixels[15:45, 10:30] == 40).all()
    assert np.unique(np.delete(pixels, np.s_[10:30], axis=1)).size == 1


def test_apng_shows_the_image_that_other_viewers_show() -> None:
    frames = [Image.new("L", (20, 20), level) for level in (200, 30, 90)]
    content = drawing.encode(frames[0], save_all=True, append_images=frames[1:], default_image=True, duration=50)
    assert np.unique(read(content)).tolist() == [200]


def test_first_frame_of_a_webp_stands_where_it_belongs() -> None:
    frames = [with_alpha((0, 0, 0), ink_mask()), Image.new("RGBA", (120, 120), "white")]
    content = drawing.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert np.abs(read(content) - blended(0, ink_mask(), 255)).max() <= 1


def inked(ink: tuple[int, int, int], paper: tuple[int, int, int], side: int = 120) -> Image.Image:
    return Image.composite(
        Image.new("RGB", (side, side), ink), Image.new("RGB", (side, side), paper), Image.fromarray(ink_mask(side))
    )


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((255, 255, 0), (255, 255, 255)),
        ((255, 255, 255), (255, 240, 0)),
        ((220, 40, 40), (20, 120, 60)),
        ((150, 220, 255), (255, 200, 150)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_ink_of_equal_luma_is_separated_by_colour(
    format: str, ink: tuple[int, int, int], paper: tuple[int, int, int]
) -> None:
    pixels = read(drawing.encode(inked(ink, paper), format, quality=90))
    inside, outside = ink_mask() == 255, ink_mask() == 0
    assert abs(np.median(pixels[inside]) - np.median(pixels[outside])) >= 90


@pytest.mark.parametrize("ink", [(0, 0, 160), (200, 30, 40), (0, 120, 60), (90, 90, 90)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_ink_with_luma_contrast_uses_luma(format: str, ink: tuple[int, int, int]) -> None:
    image = inked(ink, (250, 248, 240))
    pixels = read(drawing.encode(image, format, quality=95))
    assert np.abs(pixels - luma(np.asarray(image))).mean() < 2


def test_noise_of_blank_paper_is_not_colour() -> None:
    noise = np.random.default_rng(7).normal((200, 195, 180), 12, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(noise)
    np.testing.assert_array_equal(read(drawing.encode(image)), np.asarray(image.convert("L")))
