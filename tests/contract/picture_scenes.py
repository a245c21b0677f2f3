"""Pictures that differ in content: hands, ink and paper, colours, light, lines, noise, several digits."""

import random
from collections.abc import Iterator
from itertools import product

import numpy as np
from PIL import Image, ImageFilter

from tests.contract.digits import Grey, Hand, Pixels, encode, ink, levels, on_paper
from tests.contract.picture_files import DIGITS, some_hand

Named = Iterator[tuple[str, bytes]]


def hands() -> Named:
    """Thin and thick, upright and slanted, turned, small and large."""
    changes: list[dict[str, float]] = [
        *({"pen": pen} for pen in (0.015, 0.03, 0.05, 0.09, 0.14)),
        *({"slant": slant} for slant in (-0.3, 0.3, 0.6)),
        *({"turn": turn} for turn in (-25.0, -12.0, 12.0, 25.0)),
        *({"size": size, "pen": 0.1 * size} for size in (0.1, 0.2, 0.35, 0.9)),
        *({"width": width} for width in (0.35, 0.9)),
    ]
    for change, label in product(changes, DIGITS):
        name = " ".join(f"{key} {value}" for key, value in change.items())
        yield f"{name} {label}", encode(on_paper(ink(label, 120, hand=Hand(**change))))


def shades() -> Named:
    """Ink and paper of every pair of grey levels."""
    for dark, light in ((0, 255), (20, 235), (60, 200), (90, 160), (110, 140), (120, 130), (0, 60), (200, 255)):
        for label in "01234":
            yield f"{dark} on {light} {label}", encode(on_paper(ink(label, 80, hand=some_hand(label)), dark, light))
            yield f"{light} on {dark} {label}", encode(on_paper(ink(label, 80, hand=some_hand(label)), light, dark))


def colours() -> Named:
    """Ink and paper of other colours."""
    white, black = (255, 255, 255), (0, 0, 0)
    pairs = {
        "red on white": ((220, 30, 30), white),
        "blue on white": ((30, 60, 200), white),
        "yellow on white": ((255, 240, 0), white),
        "green on white": ((40, 180, 60), white),
        "white on blue": (white, (20, 60, 160)),
        "red on green": ((200, 60, 60), (60, 130, 60)),
        "yellow on black": ((255, 240, 0), black),
        "blue on black": ((0, 0, 255), black),
        "black on yellow": (black, (250, 230, 80)),
    }
    for (name, (pen, paper)), label in product(pairs.items(), DIGITS[:6]):
        drawn = ink(label, 100, hand=some_hand(label))[..., None]
        shown = levels(np.array(paper) + (np.array(pen) - np.array(paper)) * drawn)
        yield f"{name} {label}", encode(shown, "JPEG" if label in "05" else "PNG")


def _shade(width: int, height: int, name: str) -> Pixels:
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    shades: dict[str, Pixels] = {
        "from the left": 0.45 + 0.55 * x,
        "from above": 1 - 0.6 * y,
        "lamp": 1 / (1 + 3 * ((x - 0.3) ** 2 + (y - 0.3) ** 2)),
        "vignette": 1 - 1.1 * ((x - 0.5) ** 2 + (y - 0.5) ** 2),
        "hard shadow": np.where(x + 0.3 * y > 0.6, 0.55, 1.0),
        "band": np.where(np.abs(y - 0.3) < 0.1, 0.6, 1.0),
    }
    return shades[name]


def light() -> Named:
    """Uneven light."""
    for name, label in product(("from the left", "from above", "lamp", "vignette", "hard shadow", "band"), DIGITS):
        page = on_paper(ink(label, 160, 140, some_hand(label)), 40, 235)
        yield f"{name} {label}", encode(levels(page * _shade(160, 140, name)), "JPEG", quality=90)


def _ruled(label: str, spacing: int, shade: int, across: bool, seed: object) -> Grey:
    page = on_paper(ink(label, 160, hand=some_hand(f"{label} {seed}")), 30, 245)
    lines = np.full_like(page, 245)
    lines[spacing // 2 :: spacing] = shade
    if across:
        lines[:, spacing // 3 :: spacing] = shade
    return np.minimum(page, lines)


def ruled_paper() -> Named:
    """Ruled and squared paper, with a margin, in several colours."""
    for spacing, shade, across, label in product((16, 30), (200, 150), (False, True), DIGITS):
        kind = "squares" if across else "lines"
        yield f"{kind} {spacing} {shade} {label}", encode(_ruled(label, spacing, shade, across, spacing))
    for label in DIGITS:
        page = np.dstack([_ruled(label, 24, 180, False, "colour")] * 3)
        page[..., 2] = np.maximum(page[..., 2], np.where(page[..., 2] > 100, 230, 0))
        page[:, 14:16] = (220, 90, 90)
        yield f"lines of colour and a margin {label}", encode(page)


def noise() -> Named:
    """Grain, specks, blur and compression artefacts."""
    for label, strength in product(DIGITS, (4, 10, 20, 35)):
        page = on_paper(ink(label, 110, hand=some_hand(label)), 40, 220)
        rng = np.random.default_rng(strength)
        yield f"grain {strength} {label}", encode(levels(page + rng.normal(0, strength, page.shape)))
    for label in DIGITS:
        page = on_paper(ink(label, 110, hand=some_hand(label)))
        rng = np.random.default_rng(int(label))
        for share in (0.005, 0.02):
            specked = np.where(rng.random(page.shape) < share, 0, page).astype(np.uint8)
            yield f"specks {share} {label}", encode(specked)
        for sigma in (2, 5):
            yield f"blur {sigma} {label}", encode(_blurred(page, sigma))
        yield f"jpeg of quality 3 {label}", encode(page, "JPEG", quality=3)


def _blurred(page: Grey, sigma: float) -> Grey:
    return np.asarray(Image.fromarray(page).filter(ImageFilter.GaussianBlur(sigma)))


def several() -> Named:
    """Two or more digits, close and apart, and a digit beside other marks."""
    rng = random.Random("several")
    for count in (2, 3, 5):
        for _ in range(10):
            labels = "".join(rng.choice(DIGITS) for _ in range(count))
            hand = Hand(size=0.5, width=rng.uniform(0.45, 0.6))
            yield f"{labels} {hand.width:.2f}", encode(on_paper(ink(labels, 90 * count, 120, hand)))
    for label in DIGITS:
        above = ink(label, 100, 200, Hand(size=0.6, down=0.27)) + ink(label, 100, 200, Hand(size=0.6, down=0.75))
        yield f"one above the other {label}", encode(on_paper(above.clip(0, 1)))
        small = ink(label, 160, hand=Hand(size=0.5)) + ink("1", 160, hand=Hand(size=0.12, across=0.9, down=0.85))
        yield f"a small one beside it {label}", encode(on_paper(small.clip(0, 1)))


def edges() -> Named:
    """Digits at the edge, tightly cropped, or partly outside the picture."""
    for label, (across, down) in product(DIGITS, ((0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75))):
        hand = Hand(size=0.5, across=across, down=down)
        yield f"at {across} {down} {label}", encode(on_paper(ink(label, 100, hand=hand)))
    for label, side in product(DIGITS, (28, 60, 150)):
        drawn = ink(label, 2 * side, hand=Hand(size=0.5, pen=0.05))
        rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
        tight = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        yield f"cut out tightly {side} {label}", encode(on_paper(tight))
        yield f"cut out tightly, light {side} {label}", encode(on_paper(tight, 250, 10))


def surroundings() -> Named:
    """Frames, boxes, underlines, folds, a table's edge."""
    for label in DIGITS:
        page = on_paper(ink(label, 160, hand=some_hand(label)._replace(size=0.45)))
        for name, (rows, columns) in _MARKS.items():
            marked = page.copy()
            for top, bottom in rows:
                marked[top:bottom] = np.minimum(marked[top:bottom], 60)
            for left, right in columns:
                marked[:, left:right] = np.minimum(marked[:, left:right], 60)
            yield f"{name} {label}", encode(marked)
        boxed = page.copy()
        boxed[20:140, 20:140] = np.minimum(boxed[20:140, 20:140], _box(120))
        yield f"box {label}", encode(boxed)
        underlined = page.copy()
        underlined[132:137, 40:120] = 30
        yield f"underlined {label}", encode(underlined)


_MARKS: dict[str, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {
    "frame": ([(0, 3), (157, 160)], [(0, 3), (157, 160)]),
    "thick frame": ([(0, 14), (146, 160)], [(0, 14), (146, 160)]),
    "edge of the table": ([(140, 160)], []),
    "line across": ([(146, 148)], []),
    "line down": ([], [(10, 12)]),
}


def _box(side: int) -> Grey:
    box = np.full((side, side), 60, np.uint8)
    box[2:-2, 2:-2] = 255
    return box


def photographs() -> Named:
    """All of these together, as in a phone photo."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        label = DIGITS[seed % 10]
        width, height = ((320, 240), (240, 320), (480, 360))[seed % 3]
        hand = some_hand(f"photograph {seed}")._replace(size=0.4, across=rng.uniform(0.35, 0.65))
        page = on_paper(ink(label, width, height, hand), 50, 225)
        if seed % 4 == 0:
            page[height // 8 :: height // 6] = np.minimum(page[height // 8 :: height // 6], 175)
        names = ("from the left", "from above", "vignette", "hard shadow", "lamp")
        lit = page * _shade(width, height, names[seed % 5])
        grainy = _blurred(levels(lit), 0.8) + rng.normal(0, 5, lit.shape)
        shown = levels(grainy[..., None] * np.array([1.0, 0.96, 0.88]))
        yield f"{seed} {label}", encode(Image.fromarray(shown), "JPEG", quality=int(rng.integers(60, 95)))


SCENES = (hands, shades, colours, light, ruled_paper, noise, several, edges, surroundings, photographs)
