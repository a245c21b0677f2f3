"""A long run of mixed requests: memory, descriptors and threads must not grow."""

import json
import random
from base64 import b64encode

from PIL import Image

from benchmarks import processes
from benchmarks.hardening import load, pictures
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service
from service.memory import TRIM_SECONDS
from tests import drawing
from tests.server import Server, multipart
from tests.tensors import digits

TITLE = "a long run of mixed requests"
EXPECTED = "memory at rest grows by under 10 MB once warm; descriptors and threads flat; a planted leak is caught"

_BYTES = 10 << 20
_CLIENTS = 4
_LEAKING_REQUESTS = 10_000


def run(score: Score) -> None:
    """Load the service, then one with a leak."""
    warm, count = score.choose(20_000, 100_000), score.choose(5000, 900_000)
    requests = _mixture(score.rng)
    with service() as server:
        begun, grown, lost = _grow(server, requests, warm, count)
        score.tried, score.passed = warm + count, warm + count - lost
        score.failures += [f"{lost} requests without an answer, or with a 5xx"] * bool(lost)
        flat = grown.files <= 2 and grown.threads <= 0
        score.check(grown.memory < _BYTES, f"memory grew by {processes.mebi(grown.memory)}")
        score.check(flat, f"descriptors grew by {grown.files}, threads by {grown.threads}")
        more = f"{processes.mebi(grown.memory)} more after {count:,} more"
        score.note(f"after {warm:,} requests {processes.mebi(begun.memory)}, {more}")
    with service(module="benchmarks.hardening.leaky") as server:
        _, grown, _ = _grow(server, requests, 500, _LEAKING_REQUESTS)
        score.check(grown.memory >= _BYTES, f"the planted leak is not caught: {processes.mebi(grown.memory)}")
        score.note(f"with a leak planted: {processes.mebi(grown.memory)} more after {_LEAKING_REQUESTS:,}")


def _grow(server: Server, requests: list[bytes], warm: int, count: int) -> tuple[processes.Usage, processes.Usage, int]:
    """Return usage after `warm` requests, its growth after `count` more, and the number of failures."""
    lost, before = _ask(server, requests, warm)
    more_lost, after = _ask(server, requests, count)
    grown = processes.Usage(*(more - less for more, less in zip(after, before, strict=True)))
    return before, grown, lost + more_lost


def _ask(server: Server, requests: list[bytes], count: int) -> tuple[int, processes.Usage]:
    """Return the number of failures, and usage at rest after freed memory was returned."""
    clients = load.Load(server.port, requests, _CLIENTS)
    clients.run(count)
    usage = processes.usage_at_rest(server, wait=TRIM_SECONDS + 1)
    return sum(not 200 <= answer.status < 500 for answer in clients.answers), usage


def _mixture(rng: random.Random) -> list[bytes]:
    """Return mixed requests: most answered by the main thread, some by others, some rejected."""
    originals = pictures.originals()
    plain = digits(*range(10))
    files = [drawing.encode(Image.fromarray(digit)) for digit in plain]
    forms = [multipart([("image", file)]) for file in files]
    small = [
        *map(load.post, files),
        *(load.post(body, "/predict", headers["Content-Type"]) for body, headers in forms),
        *(load.infer(plain[:count]) for count in range(1, 11)),
    ]
    body, headers = multipart([("image", drawing.png(label)) for label in range(4)])
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [b64encode(drawing.png(3)).decode()]}
    others = [
        _json({"image": b64encode(drawing.png(5)).decode()}),
        load.post(body, "/predict/batch", headers["Content-Type"]),
        _json({"inputs": [tensor]}, "/v2/models/mnist-dmlp/infer"),
        *(load.get(path) for path in ("/livez", "/readyz", "/metrics", "/", "/static/style.css", "/nothing", "/v2")),
        load.post(drawing.encode(drawing.digit(7, side=2000, size=1500))),
        _json({}),
        load.post(b"", "/livez"),
        *map(load.post, pictures.mutated(rng, originals, 100)),
    ]
    requests = [
        *others,
        *(load.post(rng.choice(originals)) for _ in range(len(others))),
        *(rng.choice(small) for _ in range(8 * len(others))),
    ]
    rng.shuffle(requests)
    return requests


def _json(fields: object, path: str = "/predict") -> bytes:
    """Return a request with a JSON body."""
    return load.post(json.dumps(fields).encode(), path, "application/json")
