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

from tests import drawing
from tests.server import ROOT

# Runs in a checkout: prints the CPU seconds of both steps for each file named on stdin.
_WORKER = """
import sys, time
from pathlib import Path
from service.preprocessing.decode import decode
from service.preprocessing.mnist_format import canonical_digit

def cost(step):
    result, started, times = step(), time.process_time(), 0
    while times < 3 or time.process_time() - started < 0.1:
        step()
        times += 1
    return result, (time.process_time() - started) / times

for line in sys.stdin:
    content = Path(line.strip()).read_bytes()
    grey, decoding = cost(lambda: decode(content, max_pixels=1 << 26))
    print(decoding, cost(lambda: canonical_digit(grey))[1], flush=True)
"""


def main() -> None:
    """Print the CPU time of each kind of picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="another version of this project")
    parser.add_argument("--rounds", type=int, default=5, help="of each picture in each checkout")
    options = parser.parse_args()
    checkouts = {"here": ROOT} | ({"baseline": options.baseline.resolve()} if options.baseline else {})
    with tempfile.TemporaryDirectory() as directory:
        file, workers = Path(directory) / "picture", {name: _started(path) for name, path in checkouts.items()}
        for title, content in _pictures().items():
            file.write_bytes(content)
            rounds = [{name: _asked(worker, file) for name, worker in workers.items()} for _ in range(options.rounds)]
            print(_row(title, {name: [costs[name] for costs in rounds] for name in workers}))
        for worker in workers.values():
            worker.communicate()


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


def _pictures() -> dict[str, bytes]:
    drawn = _drawn(512)
    small = cv2.resize(drawn, (28, 28), interpolation=cv2.INTER_AREA)
    sheet = np.full((3000, 4000), 255, np.uint8)
    sheet[500:2500, 1000:3000] = cv2.resize(drawn, (2000, 2000), interpolation=cv2.INTER_CUBIC)
    photograph = Image.fromarray(_uneven(np.repeat(sheet[..., None], 3, axis=2), 10))
    return {
        "320 x 320 drawing": drawing.encode(Image.fromarray(_drawn(320))),
        "28 x 28, not in MNIST's form": drawing.encode(Image.fromarray(small)),
        "512 x 512 drawing": drawing.encode(Image.fromarray(drawn)),
        "512 x 512, slope of light, noise": drawing.encode(Image.fromarray(_uneven(drawn, 4))),
        "4000 x 3000 JPEG, uneven": drawing.encode(photograph, "JPEG", quality=85),
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


if __name__ == "__main__":
    main()
