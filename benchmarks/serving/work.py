"""The work that every server here does, by the service's own code: decode, canonical form, one inference.

    python -m benchmarks.serving.work VERSION_DIRECTORY PICTURE SECONDS

Prints the rate of one process without a server: pictures a second one by one, and in batches of 256.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from service.contract import MAX_PICTURE_PIXELS, Manifest
from service.inference.engine import open_version
from service.preprocessing.decode import decode
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit

BATCH = 256


class Reader:
    """A loaded model that reads pictures."""

    def __init__(self, version: Path) -> None:
        """Open the int8 model of a version, in one thread."""
        self.engine = open_version(version, Manifest.read(version), provider="cpu")

    def read(self, content: bytes) -> dict[str, Any]:
        """Return the answer for an encoded picture."""
        return self.read_grey(decode(content, max_pixels=MAX_PICTURE_PIXELS))

    def read_grey(self, grey: Grey) -> dict[str, Any]:
        """Return the answer for a decoded picture, uint8 [height, width]."""
        probabilities = self.engine.run(canonical_digit(grey)[np.newaxis])[0].tolist()
        confidence = max(probabilities)
        return {
            "digit": probabilities.index(confidence),
            "confidence": confidence,
            "probabilities": probabilities,
        }


def _rate(work: Callable[[], object], seconds: float) -> float:
    done, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        work()
        done += 1
    return done / taken


def main(version: str, picture: str, seconds: str) -> None:
    """Print the two rates as JSON."""
    reader, content = Reader(Path(version)), Path(picture).read_bytes()
    grey = canonical_digit(decode(content, max_pixels=MAX_PICTURE_PIXELS))
    batch = np.repeat(grey[np.newaxis], BATCH, axis=0)
    _rate(lambda: reader.read(content), 0.2)
    rates = {
        "one": _rate(lambda: reader.read(content), float(seconds)),
        "batch": BATCH * _rate(lambda: reader.engine.run(batch), float(seconds)),
    }
    print(json.dumps(rates))


if __name__ == "__main__":
    main(*sys.argv[1:])
