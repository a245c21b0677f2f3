"""Errors on MNIST over HTTP, compared with the engine on the raw arrays.

    python -m benchmarks.served_accuracy --data DIR [--models DIR] [--split test|validation]

Each digit is POSTed as a PNG over keep-alive connections. It is the model's own input, so no label may differ.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.hardening.load import Load, post
from benchmarks.pictures.plan import split
from benchmarks.pictures.reader import newest_version
from service.contract import Manifest
from service.inference.engine import open_version
from tests import drawing
from tests.server import ROOT, running
from training.data.mnist import load

CLIENTS = 4


def main() -> int:
    """Print the results; return 1 if the service answers another label than the engine."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    parser.add_argument("--split", choices=["test", "validation", "train"], default="test", help="which digits")
    parser.add_argument("--workers", type=int, default=2, help="workers of the service")
    options = parser.parse_args()
    images, labels = split(load(options.data), options.split)
    version = newest_version(options.models)
    by_engine = open_version(version, Manifest.read(version), provider="cpu").run(images).argmax(axis=1)
    requests = [post(drawing.encode(Image.fromarray(image))) for image in images]
    with running(MODELS_DIR=options.models.absolute(), LOG_LEVEL="warning", WORKERS=options.workers) as server:
        model = server.wait_for("/readyz")
        clients, started = Load(server.port, requests, CLIENTS, read=_digit), time.perf_counter()
        clients.run(len(images))
        seconds = time.perf_counter() - started
    by_service = np.array([answer.read for answer in sorted(clients.answers, key=lambda one: one.number)])
    different = int((by_engine != by_service).sum())
    name, number = model["model"].values()
    print(f"model                {name} {number}, {model['file']} on {model['provider']}")
    print(f"images               {len(images)} ({options.split})")
    print(f"errors of the engine {(by_engine != labels).sum()}")
    print(f"errors as PNG        {(by_service != labels).sum()}")
    print(f"labels that differ   {different}")
    print(f"time                 {seconds:.1f} s, {len(images) / seconds:.0f} requests a second, {CLIENTS} clients")
    return 1 if different else 0


def _digit(answer: bytes) -> int:
    """Return the predicted digit, -1 if the service finds none."""
    return int(json.loads(answer.partition(b"\r\n\r\n")[2]).get("digit", -1))


if __name__ == "__main__":
    sys.exit(main())
