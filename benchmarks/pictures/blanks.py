"""Pictures without writing: textures, noise, empty paper."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from benchmarks.pictures import camera, files, light, noise, paper, surroundings
from benchmarks.pictures.cells import LIGHT_BLUE, WOOD
from benchmarks.pictures.scene import BLACK, WHITE, Box, Colour, Picture, Random, Step, blank, grey

Texture = Callable[[tuple[int, int], Random], npt.NDArray[np.floating]]


def _whole(picture: Picture, rng: Random) -> bytes:
    encode = (files.png(), files.jpeg(85))[int(rng.integers(2))]
    return encode(camera.pixels(picture))


def _shape(rng: Random) -> tuple[int, int]:
    side, aspect = rng.uniform(60, 400), np.exp(rng.uniform(-0.6, 0.6))
    return round(side), round(side * aspect)


def texture(name: str, rng: Random) -> bytes:
    """Return a file with nothing but one of `NOISES` or `TEXTURES`."""
    levels = {**NOISES, **TEXTURES}[name](_shape(rng), rng)
    return _whole(levels[..., None].astype(np.float32), rng)


def _static(blur: float) -> Texture:
    return lambda shape, rng: 0.5 + rng.uniform(0.08, 0.3) * noise.fine(rng, shape, blur)


def _wood(shape: tuple[int, int], rng: Random) -> npt.NDArray[np.floating]:
    rows = np.arange(shape[0])[:, None] / max(shape)
    rings = rows * rng.uniform(20, 60) + 1.5 * noise.cloud(rng, shape, 3)
    return 0.55 + 0.15 * np.sin(rings) + 0.05 * noise.fine(rng, shape, 1.0)


def _fabric(shape: tuple[int, int], rng: Random) -> npt.NDArray[np.floating]:
    period = rng.uniform(3, 9)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    weave = np.sin(2 * np.pi * rows / period) * np.sin(2 * np.pi * columns / period)
    return 0.6 + 0.15 * weave + 0.05 * noise.fine(rng, shape)


def _checkerboard(shape: tuple[int, int], rng: Random) -> npt.NDArray[np.floating]:
    side = rng.uniform(0.08, 0.2) * max(shape)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return 0.2 + 0.6 * ((rows // side + columns // side) % 2)


#: Nothing in these resembles a digit.
NOISES: Mapping[str, Texture] = {
    "noise of 1 pixel": _static(0),
    "noise of 2 pixels": _static(1),
    "noise of 4 pixels": _static(2),
    "noise of 8 pixels": _static(4),
}
TEXTURES: Mapping[str, Texture] = {
    "clouds": lambda shape, rng: 0.5 + 0.35 * noise.cloud(rng, shape, rng.uniform(4, 10)),
    "wood": _wood,
    "fabric": _fabric,
    "checkerboard": _checkerboard,
}


def empty(name: str, rng: Random) -> bytes:
    """Return a file with an empty page, one of `BLANKS`."""
    colour, steps = BLANKS[name]
    shape = _shape(rng)
    picture = blank(shape, colour)
    box = Box(0, 0, max(1, shape[1] // 2), max(1, round(min(shape) * rng.uniform(0.3, 0.6))))
    for step in steps:
        picture = step(picture, box, rng)
    return _whole(picture, rng)


#: Empty pages: the colour of the paper, and what happened to it.
BLANKS: Mapping[str, tuple[Colour, tuple[Step, ...]]] = {
    "white": (WHITE, ()),
    "black": (BLACK, ()),
    "grey": (grey(0.5), ()),
    "noisy paper": (grey(0.9), (camera.noisy(4),)),
    "noisy black": (grey(0.05), (camera.noisy(6),)),
    "textured paper": (grey(0.88), (paper.texture(0.03), paper.fibres(60, 0.08), camera.noisy(2))),
    "gradient": (grey(0.9), (light.gradient(0.6), camera.noisy(1))),
    "uneven light": (grey(0.9), (light.gradient(0.4), light.vignette(0.3), camera.noisy(3))),
    "shadow": (grey(0.9), (light.shadow(0.4, soft=(0.01, 0.05)), camera.noisy(2))),
    "squared paper": (grey(0.95), (paper.ruled(LIGHT_BLUE, squares=True, pitch=(0.3, 0.9)), camera.noisy(1))),
    "ruled paper": (grey(0.95), (paper.ruled(LIGHT_BLUE), camera.noisy(1))),
    "dark squared paper": (grey(0.95), (paper.ruled(grey(0.5), squares=True, pitch=(0.3, 0.9)), camera.noisy(1))),
    "framed": (grey(0.93), (surroundings.frame(BLACK, (0.03, 0.1)), camera.noisy(1))),
    "sheet on a table": (grey(0.93), (surroundings.table(WOOD, (0.04, 0.15)), camera.noisy(1))),
    "creased": (grey(0.93), (paper.crease(0.1, 2), camera.noisy(1))),
}
