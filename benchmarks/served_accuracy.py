"""Errors on MNIST over HTTP, compared with the engine on the raw arrays.

    python -m benchmarks.served_accuracy --data DIR [--models DIR] [--split test|validation]

Each digit is POSTed as a PNG over keep-alive connections. It is the model's own input, so no label may differ.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.inference.store import ModelStore
from service.settings import Settings
from tests.server import ROOT, Server, running

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

CLIENTS = 4


def main() -> int:
    """Print the results; return 1 if the service answers another label than the engine."""
    options = _options()
    images, labels = _split(options.data, options.split)
    by_engine = _ask_engine(options.models, images)
    with running(MODELS_DIR=options.models, LOG_LEVEL="warning", WORKERS=options.workers) as server:
        model = server.wait_for("/readyz")
        started = time.perf_counter()
        by_service = _ask_service(server, images)
        seconds = time.perf_counter() - started
    errors_of_engine, errors_of_service = (int((answers != labels).sum()) for answers in (by_engine, by_service))
    name, version = model["model"].values()
    print(f"model                {name} {version}, {model['file']} on {model['provider']}")
    print(f"images               {len(images)} ({options.split})")
    print(f"errors of the engine {errors_of_engine}")
    print(f"errors as PNG        {errors_of_service}")
    different = int((by_engine != by_service).sum())
    print(f"labels that differ   {different}")
    print(f"time                 {seconds:.1f} s, {len(images) / seconds:.0f} requests a second, {CLIENTS} clients")
    return 1 if different else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="directory with MNIST as IDX files")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="directory of the models")
    parser.add_argument("--split", choices=["test", "validation", "train"], default="test", help="which digits")
    parser.add_argument("--workers", type=int, default=2, help="workers of the service")
    return parser.parse_args()


def _split(directory: Path, split: str) -> tuple[Images, Labels]:
    from training.data.mnist import load

    mnist = load(directory)
    return getattr(mnist, f"{split}_images"), getattr(mnist, f"{split}_labels").astype(np.int64)


def _ask_engine(models: Path, images: Images) -> Labels:
    store = ModelStore(Settings(models_dir=models.absolute(), provider="cpu"))
    store.refresh()
    if store.serving is None:
        sys.exit(store.reason)
    return store.serving.engine.run(np.ascontiguousarray(images)).argmax(axis=1)


def _ask_service(server: Server, images: Images) -> Labels:
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = pool.map(lambda part: _post_all(server, part), np.array_split(images, CLIENTS))
        return np.array([digit for part in parts for digit in part])


def _post_all(server: Server, images: Images) -> list[int]:
    """Return the predicted digits, -1 where the service finds none."""
    with closing(server.connect()) as connection:
        return [_post(connection, image) for image in images]


def _post(connection: Any, image: Images) -> int:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    connection.request("POST", "/predict", buffer.getvalue(), {"Content-Type": "image/png"})
    answer = json.loads(connection.getresponse().read())
    return int(answer.get("digit", -1))


if __name__ == "__main__":
    sys.exit(main())
