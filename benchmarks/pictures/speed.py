"""CPU time of a picture from bytes to the 28x28 digit, compared with another checkout in the same run.

python -m benchmarks.pictures.speed [--baseline CHECKOUT] [--rounds N]

Both checkouts alternate, each in its own process with one thread; the median of the rounds counts.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchmarks.pictures.files import saved
from benchmarks.pictures.options import ROOT

# Runs in a checkout, also in an old one in which the modules had other names.
_WORKER = """
import importlib, sys, time
from pathlib import Path
for decoding, form in (("service.preprocessing.decode", "service.preprocessing.mnist_format"),
                       ("service.images", "service.canonical")):
    try:
        decode = importlib.import_module(decoding).decode
        canonical = importlib.import_module(form).canonical_digit
        break
    except ModuleNotFoundError:
        pass
for line in sys.stdin:
    content, costs = Path(line.strip()).read_bytes(), []
    for first, step in ((content, lambda it: decode(it, max_pixels=1 << 26)), (None, canonical)):
        first = grey if first is None else first
        grey = step(first)
        started = time.process_time()
        times = 0
        while times < 3 or time.process_time() - started < 0.1:
            step(first)
            times += 1
        costs.append((time.process_time() - started) / times)
    print(*costs, flush=True)
"""


def main() -> None:
    """Print the CPU time of each kind of picture."""
    options = _parser().parse_args()
    checkouts = {"here": ROOT} | ({"baseline": options.baseline.resolve()} if options.baseline else {})
    with tempfile.TemporaryDirectory() as directory:
        files = _written(Path(directory))
        workers = {name: _started(path) for name, path in checkouts.items()}
        for title, file in files.items():
            costs = {name: [] for name in workers}  # type: dict[str, list[tuple[float, float]]]
            for _ in range(options.rounds):
                for name, worker in workers.items():
                    costs[name].append(_asked(worker, file))
            print(_row(title, costs))
        for worker in workers.values():
            worker.communicate()


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.pictures.speed", description=__doc__.splitlines()[0])
    made.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="another version of this project")
    made.add_argument("--rounds", type=int, default=5, help="of each picture in each checkout")
    return made


def _started(checkout: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER], cwd=checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _asked(worker: "subprocess.Popen[str]", file: Path) -> tuple[float, float]:
    """Return the CPU seconds of decoding a file and of bringing it into canonical form."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    print(file, file=worker.stdin, flush=True)
    decoding, form = map(float, worker.stdout.readline().split())
    return decoding, form


def _row(title: str, costs: Mapping[str, list[tuple[float, float]]]) -> str:
    parts = {name: [1000 * median(values) for values in zip(*rounds, strict=True)] for name, rounds in costs.items()}
    shown = [f"{name}: decode {both[0]:7.2f} ms, form {both[1]:7.2f} ms" for name, both in parts.items()]
    ratio = f"  {sum(parts['here']) / sum(parts['baseline']):5.2f} of it" if "baseline" in parts else ""
    return f"{title:34} " + "   ".join(shown) + ratio


def _written(directory: Path) -> dict[str, Path]:
    files = {}
    for number, (title, content) in enumerate(_pictures().items()):
        files[title] = directory / str(number)
        files[title].write_bytes(content)
    return files


def _pictures() -> dict[str, bytes]:
    drawing = _drawn(512)
    small = cv2.resize(drawing, (28, 28), interpolation=cv2.INTER_AREA)
    return {
        "320 x 320 drawing": saved(Image.fromarray(_drawn(320)), "PNG"),
        "28 x 28, not in MNIST's form": saved(Image.fromarray(small), "PNG"),
        "512 x 512 drawing": saved(Image.fromarray(drawing), "PNG"),
        "512 x 512, slope of light, noise": saved(Image.fromarray(_uneven(drawing, 4)), "PNG"),
        "4000 x 3000 JPEG, uneven": saved(Image.fromarray(_photograph()), "JPEG", quality=85),
    }


def _drawn(side: int) -> npt.NDArray[np.uint8]:
    """Return a black 7 on white, uint8 [side, side], antialiased."""
    image = Image.new("L", (4 * side, 4 * side), 255)
    line = [(4 * side * x, 4 * side * y) for x, y in ((0.27, 0.25), (0.72, 0.25), (0.45, 0.8))]
    ImageDraw.Draw(image).line(line, fill=0, width=side // 4, joint="curve")
    return np.array(image.resize((side, side), Image.Resampling.LANCZOS), np.uint8)


def _uneven(picture: npt.NDArray[np.uint8], noise: float) -> npt.NDArray[np.uint8]:
    """Return the picture in light that falls by 60% from corner to corner, with noise of `noise` levels."""
    height, width = picture.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    light = np.asarray(1 - 0.3 * (rows / height + columns / width))
    random = np.random.default_rng(1).normal(0, noise, picture.shape)
    lit = (20 + 0.85 * picture) * light.reshape(height, width, *[1] * (picture.ndim - 2))
    return np.asarray(np.clip(lit + random, 0, 255), np.uint8)


def _photograph() -> npt.NDArray[np.uint8]:
    sheet = np.full((3000, 4000), 255, np.uint8)
    sheet[500:2500, 1000:3000] = cv2.resize(_drawn(512), (2000, 2000), interpolation=cv2.INTER_CUBIC)
    return _uneven(np.repeat(sheet[..., None], 3, axis=2), 10)


if __name__ == "__main__":
    main()
