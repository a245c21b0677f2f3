"""Realistic pictures of handwritten digits, drawn by code: pen, paper, light, surroundings."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from training.synthesis import forms, pen

Grey = npt.NDArray[np.uint8]
Shade = npt.NDArray[np.float64]  # [height, width], 0 = black, 1 = white; or of ink, 0 = none, 1 = full

HEIGHT, WIDTH = 360, 480
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT


def ink(label: int, *, size: float = 0.5, stroke: float = 0.07, left: float = 0.45, top: float = 0.25) -> Shade:
    """Return the ink of a digit in a usual form; height, position and stroke are relative to the picture's height."""
    form = next(form for form in forms.FORMS if form.label == label)
    hand = pen.Hand(0, 0.1, 0, 1, 0, 0, stroke / size, 0.1, 0.8, None, 0)
    side = 4 * round(size * HEIGHT)
    random = np.random.default_rng(0)
    drawn = pen.draw(forms.lines(form, 0, random), hand, random, side=side)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    tight = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    factor = size * HEIGHT / len(tight)
    small = cv2.resize(tight, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    sheet = np.zeros((HEIGHT, WIDTH))
    row, column = round(top * HEIGHT), round(left * HEIGHT)
    sheet[row : row + small.shape[0], column : column + small.shape[1]] = small / 255
    return sheet


def page(amount: Shade, *, paper: Shade | float = 0.88, darkness: float = 0.2) -> Shade:
    """Return paper with ink on it."""
    return paper * (1 - amount) + darkness * amount


def slope(depth: float, angle: float) -> Shade:
    """Return light that falls by `depth` across the picture."""
    along = (_COLUMNS - 0.67) * np.cos(angle) + (_ROWS - 0.5) * np.sin(angle)
    return 1 - depth * np.clip(along + 0.5, 0, 1)


def shadow(depth: float, angle: float, at: float = 0.0) -> Shade:
    """Return light with a straight shadow whose edge is `at` picture heights from the middle."""
    along = (_COLUMNS - 0.67) * np.cos(angle) + (_ROWS - 0.5) * np.sin(angle) - at
    return 1 - depth * np.clip(0.5 + 40 * along, 0, 1)


def squares(pitch: int, tone: float, *, ruled: bool = False) -> Shade:
    """Return squared paper, or ruled."""
    lines = np.zeros((HEIGHT, WIDTH), bool)
    lines[pitch // 2 :: pitch] = lines[pitch // 2 + 1 :: pitch] = True
    if not ruled:
        lines[:, pitch // 3 :: pitch] = lines[:, pitch // 3 + 1 :: pitch] = True
    return np.where(lines, tone, 0.88)


def on_table(sheet: Shade, degrees: float, scale: float = 0.72, table: Shade | float = 0.25) -> Shade:
    """Return the picture of a rotated sheet on a darker table."""
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, scale)
    covered = cv2.warpAffine(np.ones_like(sheet), turn, (WIDTH, HEIGHT))
    return cv2.warpAffine(sheet, turn, (WIDTH, HEIGHT)) * covered + table * (1 - covered)


def in_a_room(amount: Shade, seed: int) -> Shade:
    """Return a sheet held up before furniture that is out of focus."""
    random = np.random.default_rng(seed)
    room = np.full((HEIGHT, WIDTH), 0.1)
    for _ in range(12):
        row, column = random.integers(0, HEIGHT), random.integers(0, WIDTH)
        height, width = random.integers(40, 220, 2)
        room[row : row + height, column : column + width] = random.uniform(0.1, 0.5)
    return on_table(
        page(amount), random.uniform(-10, 10), 0.55, np.asarray(cv2.GaussianBlur(room, (0, 0), 5), np.float64)
    )


def dust(count: int, seed: int = 1) -> Shade:
    """Return small dark specks, as ink."""
    random = np.random.default_rng(seed)
    specks = np.zeros((HEIGHT, WIDTH))
    for _ in range(count):
        cv2.circle(
            specks, (int(random.integers(WIDTH)), int(random.integers(HEIGHT))), int(random.integers(1, 3)), 1, -1
        )
    return specks


def fingers() -> Shade:
    """Return fingers that hold the paper at the picture's edge, as ink."""
    hidden = np.zeros((HEIGHT, WIDTH))
    for where, size in (((0, 250), (70, 34)), ((WIDTH, 60), (50, 40)), ((300, HEIGHT), (34, 45))):
        cv2.ellipse(hidden, where, size, 0, 0, 360, 1, -1)
    return hidden


def bitmap(amount: Shade, side: int) -> Grey:
    """Return the ink as a bitmap of `side` rows, ink on black."""
    rows, columns = np.flatnonzero(amount.any(axis=1)), np.flatnonzero(amount.any(axis=0))
    tight = amount[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(1, round(side * tight.shape[1] / tight.shape[0]))
    return np.pad(levels(cv2.resize(tight, (width, side), interpolation=cv2.INTER_AREA)), 1)


def levels(shades: Shade, noise: float = 0, seed: int = 1) -> Grey:
    """Return a picture with sensor noise, in grey levels."""
    noisy = 255 * shades + np.random.default_rng(seed).normal(0, noise, shades.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


#: Conditions by what one sees, each made of the label of a digit.
CONDITIONS: Mapping[str, Callable[[int], Grey]] = {
    "thin pen": lambda label: levels(page(ink(label, stroke=0.012)), 2),
    "thick marker": lambda label: levels(page(ink(label, size=0.6, stroke=0.13)), 2),
    "far away": lambda label: levels(page(ink(label, size=0.12, stroke=0.012, left=0.9, top=0.6)), 2),
    "faint, noisy": lambda label: levels(page(ink(label), paper=0.7, darkness=0.55), 8),
    "chalk on a board": lambda label: levels(page(ink(label), paper=0.2, darkness=0.85), 6),
    "uneven light": lambda label: levels(page(ink(label)) * slope(0.75, 0.6), 3),
    "shadow's edge": lambda label: levels(page(ink(label)) * shadow(0.5, 0.4), 3),
    "squared paper": lambda label: levels(page(ink(label), paper=squares(36, 0.62)), 3),
    "ruled, uneven": lambda label: levels(page(ink(label), paper=squares(44, 0.6, ruled=True)) * slope(0.5, 3.8), 3),
    "sheet on a table": lambda label: levels(on_table(page(ink(label)), 17), 3),
    "sheet in a shadow": lambda label: levels(
        on_table(page(ink(label, left=0.55)), 10, table=0.35) * shadow(0.55, 2.1, 0.1) * slope(0.3, 3.1), 3
    ),
    "dust": lambda label: levels(page(np.maximum(ink(label), dust(40))), 3),
    "fingers": lambda label: levels(page(np.maximum(ink(label), 0.7 * fingers())) * slope(0.3, 2), 3),
    "bold in shadow": lambda label: levels(page(ink(label, size=0.6, stroke=0.11)) * shadow(0.5, 2.4, 0.1), 3),
    "8 x 8 bitmap": lambda label: bitmap(ink(label), 8),
    "16 x 16, magnified": lambda label: np.kron(bitmap(ink(label), 16), np.ones((12, 12), np.uint8)),
}
