"""Mutated pictures of every format and mode."""

import random

from benchmarks import processes
from benchmarks.hardening import load, pictures
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service
from tests import drawing
from tests.server import Server

TITLE = "mutated pictures of every format and mode"
EXPECTED = "no 5xx, no worker dies, each under 2 s, memory back within 10%"

_WARMING = 16  # clients: enough connections to reach every worker
_MOST_ROUNDS = 8


def run(score: Score) -> None:
    """Send the pictures, two at a time."""
    count, originals = score.choose(400, 10_000), pictures.originals()
    with service() as server:
        workers, before = server.workers(), _settled(server, _warm_up(originals), score.choose(500, 2500))
        sent = map(load.post, pictures.mutated(score.rng, originals, count))
        client = load.Load(server.port, [*sent], 2)
        client.run(count)
        for answer in client.answers:
            passed = 200 <= answer.status < 500 and answer.seconds < 2
            score.check(passed, f"picture {answer.number}: status {answer.status} after {answer.seconds:.2f} s")
        score.check(server.workers() == workers, f"a worker died: {workers} became {server.workers()}")
        after = processes.usage_at_rest(server).memory
        score.check(after <= 1.1 * before, f"memory: {processes.mebi(before)} before, {processes.mebi(after)} after")
        score.note(f"memory of two workers: {processes.mebi(before)} before, {processes.mebi(after)} after")
        slowest = max(answer.seconds for answer in client.answers)
        score.note(f"read: {sum(answer.status == 200 for answer in client.answers)}; slowest: {slowest:.2f} s")


def _settled(server: Server, requests: list[bytes], count: int) -> int:
    """Send `count` requests repeatedly until memory at rest stops growing, and return its maximum in bytes.

    Heap memory at rest varies by a few megabytes with the last requests.
    """
    readings: list[int] = []
    while len(readings) < _MOST_ROUNDS:
        load.Load(server.port, requests, _WARMING).run(count)
        readings.append(processes.usage_at_rest(server).memory)
        if len(readings) > 2 and readings[-1] <= max(readings[:-1]):
            break
    return max(readings)


def _warm_up(originals: list[bytes]) -> list[bytes]:
    """Return intact, damaged and large pictures, so that a worker loads every codec and keeps it."""
    damaged = pictures.mutated(random.Random(_WARMING), originals, 400)
    large = drawing.encode(drawing.digit(7, side=2000, size=1500), "PNG")
    return [*map(load.post, originals), *map(load.post, damaged), load.post(large)]
