"""Valid and invalid requests from the OpenAPI document, and bytes that are not HTTP."""

import os
import random
import re
import subprocess
import sys
import time

from benchmarks.hardening import load, wire
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service
from tests import drawing
from tests.contract.exchanges import PNG, chunked
from tests.server import ROOT

TITLE = "requests generated from the OpenAPI document; bytes that are not HTTP"
EXPECTED = "no 5xx, no hang, every answer of the documented shape where HTTP allows one"

_TOKENS = (b"\r\n", b"\n", b"\0", b": ", b" ", b"HTTP/1.1", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 7\r\n")
_SECONDS = 20  # for an answer or the end of the connection
_METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"", b"A" * 50)


def run(score: Score) -> None:
    """Run schemathesis, then send malformed requests."""
    _documented(score)
    _malformed(score)


def _documented(score: Score) -> None:
    """Run the OpenAPI tests. Each sends many requests, and their own checks are stricter than this row."""
    examples = {} if score.short else {"OPENAPI_EXAMPLES": "1000"}  # for each of about twenty operations
    tests = "tests/service/http/test_openapi_holds.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **examples}, capture_output=True, text=True, check=False
    )
    passed, failed = (sum(map(int, re.findall(rf"(\d+) {word}", result.stdout))) for word in ("passed", "failed"))
    for _ in range(passed):
        score.check(True, "")
    for line in re.findall(r"^(?:FAILED|ERROR) .*$", result.stdout, re.MULTILINE):
        score.check(False, line)
    score.check(result.returncode == 0, f"schemathesis: {failed} operations failed")
    score.note(f"schemathesis: {passed} operations as documented, {failed} not")


def _malformed(score: Score) -> None:
    rng, silent = score.rng, 0
    with service(REQUEST_SECONDS=5) as server:
        workers = server.workers()
        for number in range(score.choose(300, 2000)):
            sent = _mutate(rng, rng.choice(_originals()))
            started = time.monotonic()
            answer = wire.exchange(server.port, sent, seconds=_SECONDS)
            # No answer is right if the connection ends before the head does.
            silent += answer is None
            shaped = answer is None or wire.documented(answer, method=wire.method_of(sent))
            score.check(
                shaped and time.monotonic() - started < _SECONDS,
                f"request {number}: {answer and answer.status} to {sent[:80]!r}",
            )
        score.check(server.workers() == workers, f"a worker died: {workers} became {server.workers()}")
        after = wire.exchange(server.port, load.post(drawing.png(7)))
        score.check(after is not None and after.status == 200, "no digit is read afterwards")
    score.note(f"malformed: {silent} closed without an answer, because the head was incomplete")


def _originals() -> list[bytes]:
    picture = drawing.png(7)
    return [
        load.get("/livez"),
        load.get("/v2/models/mnist-dmlp?x=%41"),
        load.post(picture),
        load.post(b'{"image":"x"}', "/predict", "application/json"),
        chunked("/predict", picture, len(picture), *PNG),
    ]


def _mutate(rng: random.Random, request: bytes) -> bytes:
    """Apply one to three changes, mostly to the head."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(min(len(request), 200) + 1)
        change = rng.randrange(6)
        if change == 0:
            request = request[:at] + rng.choice(_TOKENS) + request[at:]
        elif change == 1:
            request = request[:at] + request[at + rng.randrange(1, 20) :]
        elif change == 2:
            request = request[:at] + bytes([rng.randrange(256)]) + request[at + 1 :]
        elif change == 3:
            request = rng.choice(_METHODS) + request[request.find(b" ") :]
        elif change == 4:
            request = request[: rng.randrange(len(request) + 1)]
        else:
            request = request[:at] + rng.randbytes(rng.randrange(1, 300)) + request[at:]
    return request
