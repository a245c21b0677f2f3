"""Pictures that differ in their files: format, mode, size, depth, transparency, orientation, damage."""

import random
import struct
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np
from PIL import Image, PngImagePlugin

from tests.contract.digits import Grey, Hand, Pixels, encode, ink, levels, on_paper

Named = Iterator[tuple[str, bytes]]
Kept = tuple[tuple[str, str, dict[str, object]], ...]

DIGITS = "0123456789"
_WAYS: Kept = (
    ("png", "PNG", {}),
    ("png of level 0", "PNG", {"compress_level": 0}),
    ("jpeg 95", "JPEG", {"quality": 95}),
    ("jpeg 50", "JPEG", {"quality": 50}),
    ("jpeg 10", "JPEG", {"quality": 10}),
    ("jpeg progressive", "JPEG", {"progressive": True}),
    ("gif", "GIF", {}),
    ("bmp", "BMP", {}),
    ("webp", "WEBP", {}),
    ("webp 20", "WEBP", {"quality": 20}),
    ("webp lossless", "WEBP", {"lossless": True}),
)


def some_hand(seed: object) -> Hand:
    """Return a hand that depends on the seed alone."""
    rng = random.Random(str(seed))
    return Hand(
        size=rng.uniform(0.45, 0.75),
        pen=rng.uniform(0.04, 0.11),
        slant=rng.uniform(-0.1, 0.35),
        width=rng.uniform(0.5, 0.7),
        turn=rng.uniform(-8, 8),
    )


def written(label: str, side: int = 96, seed: object = 0) -> Grey:
    """Return a digit in some hand, dark on light."""
    return on_paper(ink(label, side, hand=some_hand(f"{label} {seed}")))


def formats() -> Named:
    """Every format with every encoder option."""
    for (name, kind, options), label in product(_WAYS, DIGITS):
        channels = "RGB" if label in "258" else "L"
        image = Image.fromarray(written(label, seed=name)).convert(channels)
        yield f"{name} {channels} {label}", encode(image, kind, **options)


def modes() -> Named:
    """Every colour mode of the formats."""
    for label in DIGITS[1:9]:
        grey = Image.fromarray(written(label, seed="modes"))
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
            yield f"png {mode} {label}", encode(grey.convert(mode))
        for mode in ("1", "L", "P", "RGB", "RGBA"):
            yield f"bmp {mode} {label}", encode(grey.convert(mode), "BMP")
        for mode in ("L", "RGB", "CMYK"):
            yield f"jpeg {mode} {label}", encode(grey.convert(mode), "JPEG")
        for bits in (1, 2, 4):
            yield f"png of {bits} bits {label}", encode(grey.quantize(1 << bits), bits=bits)
        yield f"gif of 4 colours {label}", encode(grey.quantize(4), "GIF")
        yield f"jpeg 4:4:4 {label}", encode(grey.convert("RGB"), "JPEG", subsampling=0)


def sizes() -> Named:
    """From one pixel to 4,000, square and not."""
    for side in (1, 2, 3, 4, 5, 8, 12, 16, 20, 24, 27, 28, 29, 32, 40, 64, 100, 150, 240, 320):
        for label in DIGITS:
            yield f"{side} {label}", encode(written(label, side, "sizes"))
    for side in (500, 640, 899, 900, 901, 1200, 1800):
        for label in "0479":
            yield f"{side} {label}", encode(written(label, side, "sizes"), "JPEG" if side > 900 else "PNG")
    for side, label in ((2500, "3"), (3000, "5"), (4000, "7"), (4000, "2")):
        yield f"{side} {label}", encode(written(label, side, "sizes"), "JPEG")
    yield "4000 grey 8", encode(written("8", 4000, "sizes"), compress_level=1)
    yield "4000 colour 6", encode(Image.fromarray(written("6", 4000, "sizes")).convert("RGB"), compress_level=1)


def shapes() -> Named:
    """Wide and tall pages, with the digit anywhere on them."""
    for (width, height), label in product(((200, 80), (80, 200), (400, 60), (60, 400), (640, 480)), DIGITS):
        rng = random.Random(f"{width} {height} {label}")
        room = 0.5 * min(width, height)
        hand = some_hand(label)._replace(
            across=rng.uniform(room / width, 1 - room / width), down=rng.uniform(room / height, 1 - room / height)
        )
        yield f"{width}x{height} {label}", encode(on_paper(ink(label, width, height, hand)))


def mnist_form() -> Named:
    """28x28, light on dark, in MNIST's form or nearly."""
    for label in DIGITS:
        for seed in range(4):
            drawn = ink(label, 28, hand=some_hand(f"{label} {seed}")._replace(size=0.68))
            yield f"as it is {label} {seed}", encode(on_paper(drawn, 255, 0))
        drawn = ink(label, 28, hand=Hand(size=0.68))
        yield f"dark on light {label}", encode(on_paper(drawn, 0, 255))
        yield f"jpeg {label}", encode(on_paper(drawn, 255, 0), "JPEG")
        yield f"bmp {label}", encode(on_paper(drawn, 255, 0), "BMP")
        yield f"off the middle {label}", encode(on_paper(np.roll(drawn, (3, -3), (0, 1)), 255, 0))
        yield f"grey paper {label}", encode(on_paper(drawn, 255, 30))
        yield f"colours {label}", encode(Image.fromarray(on_paper(drawn, 255, 0)).convert("RGB"))


def transparency() -> Named:
    """Transparent ink or paper, in each format that supports it."""
    for label, (name, shade) in product(DIGITS[2:9], (("black", 0), ("white", 255), ("grey", 110))):
        drawn = ink(label, 96, hand=some_hand(label))
        alpha = levels(255 * drawn)
        image = Image.fromarray(np.dstack([np.full_like(alpha, shade)] * 3 + [alpha]), "RGBA")
        yield f"{name} ink {label}", encode(image)
        yield f"{name} ink, LA {label}", encode(image.convert("LA"))
        yield f"{name} ink, webp {label}", encode(image, "WEBP", lossless=True)
        hard = Image.fromarray(np.where(alpha > 127, 1, 0).astype(np.uint8), "P")
        hard.putpalette([255 - shade] * 3 + [shade] * 3)
        yield f"{name} ink, gif {label}", encode(hard, "GIF", transparency=0)
    for label in DIGITS:
        yield f"cut-out paper {label}", encode(_sticker(label))
        yield f"nothing to see {label}", encode(Image.new("RGBA", (40 + int(label), 40)))


def _sticker(label: str) -> Image.Image:
    grey = written(label, 120)
    mask = np.zeros_like(grey)
    mask[12:-12, 12:-12] = 255
    return Image.fromarray(np.dstack([grey, mask]), "LA")


def sixteen_bits() -> Named:
    """16 bits, all or few of them used."""
    for label, bits in product(DIGITS, (16, 14, 12, 10, 8)):
        grey = written(label, seed="bits").astype(np.uint32)
        deep = (grey * 257) >> (16 - bits)
        yield f"{bits} of 16, dark on light {label}", encode(Image.fromarray(deep.astype(np.uint16)))
        light = ((255 - grey) * 257) >> (16 - bits)
        yield f"{bits} of 16, light on dark {label}", encode(Image.fromarray(light.astype(np.uint16)))


def orientations() -> Named:
    """EXIF orientation, in each format that supports it."""
    for number, label in product(range(10), "2347"):
        exif = Image.Exif()
        exif[0x0112] = number
        image = Image.fromarray(on_paper(ink(label, 120, 90, some_hand(label))))
        for kind in ("JPEG", "PNG", "WEBP"):
            yield f"{kind.lower()} {number} {label}", encode(image, kind, exif=exif)


def extras() -> Named:
    """Metadata, profiles, animations, interlacing, and bytes after the picture."""
    for label in DIGITS[2:]:
        image, others = Image.fromarray(written(label, seed="extras")), [Image.new("L", (96, 96), 255)]
        noted = PngImagePlugin.PngInfo()
        noted.add_text("Comment", "seven " * 50, zip=True)
        noted.add(b"gAMA", struct.pack(">I", 45455))
        yield f"notes {label}", encode(image, pnginfo=noted)
        yield f"gif of two frames {label}", encode(image, "GIF", save_all=True, append_images=others)
        yield f"webp of two frames {label}", encode(image, "WEBP", save_all=True, append_images=others)
        yield f"comment in a jpeg {label}", encode(image, "JPEG", comment=b"seven" * 50)
        yield f"profile {label}", encode(image, "JPEG", icc_profile=bytes(3000))
        for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP"):
            yield f"{kind.lower()} and more {label}", encode(image, kind) + b"PK\3\4" + bytes(200)


def damaged() -> Named:
    """Truncated files, and files with changed bytes."""
    for (name, kind, options), label in product(_WAYS[2::2] + _WAYS[:1], "38"):
        content = encode(written(label, seed="damaged"), kind, **options)
        for share in (0.01, 0.1, 0.5, 0.9):
            yield f"{name} cut off at {share} {label}", content[: int(share * len(content))]
        for missing in (1, 2, 12):
            yield f"{name} without the last {missing} {label}", content[:-missing]
        for seed in range(6):
            yield f"{name} with other bytes {seed} {label}", _changed(content, f"{name} {label} {seed}")


def _changed(content: bytes, seed: str) -> bytes:
    rng, changed = random.Random(seed), bytearray(content)
    for _ in range(3):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def foreign() -> Named:
    """Files that are not pictures, or claim another format."""
    png = encode(written("7"))
    yield "text", b"this is a digit: 7\n" * 20
    yield "html", b"<!doctype html><title>7</title>"
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M1 1h7L4 8"/></svg>'
    yield "pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    yield "zip", b"PK\x03\x04" + bytes(60)
    yield "gzip", zlib.compress(png, wbits=31)
    yield "icon", b"\0\0\1\0\1\0" + bytes(16) + png
    yield "ppm", b"P5 8 8 255\n" + bytes(64)
    yield "nothing but zeros", bytes(1000)
    yield "one byte", b"\x89"
    yield "base64", b"iVBORw0KGgoAAAANSUhEUgAAABwAAAAc"
    yield "byte order mark before a png", b"\xef\xbb\xbf" + png
    yield "line feeds turned", png.replace(b"\r\n", b"\n")
    for side in (3606, 20_000, 2**31 - 1):
        head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        yield f"png claims {side}", png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]
    for name, start in (("png", png[:8]), ("jpeg", b"\xff\xd8\xff\xe0"), ("gif", b"GIF89a"), ("bmp", b"BM")):
        yield f"{name} of random bytes", start + random.Random(name).randbytes(2000)


def blank() -> Named:
    """Empty pictures, and marks that are not a digit."""
    for side, shade in product((28, 60, 200), (0, 64, 128, 200, 255)):
        yield f"{side} of {shade}", encode(np.full((side, side), shade, np.uint8))
        yield f"{side} of {shade}, jpeg", encode(np.full((side, side, 3), shade, np.uint8), "JPEG")
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(40 + 9 * seed, 1 + seed, (90, 90))
        yield f"noise {seed}", encode(levels(noise))
    for seed in range(10):
        yield f"specks {seed}", encode(on_paper(_specks(seed)))


def _specks(seed: int) -> Pixels:
    sheet = np.zeros((120, 120))
    for y, x in np.random.default_rng(seed).integers(2, 118, (seed + 1, 2)):
        sheet[y : y + 2, x : x + 2] = 1
    return sheet


FILES = (
    formats,
    modes,
    sizes,
    shapes,
    mnist_form,
    transparency,
    sixteen_bits,
    orientations,
    extras,
    damaged,
    foreign,
    blank,
)
