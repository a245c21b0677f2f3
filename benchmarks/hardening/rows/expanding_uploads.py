"""Small uploads that expand to large ones."""

import time

from benchmarks import processes
from benchmarks.hardening import decompression_bombs, wire
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service

TITLE = "decompression bombs: dimensions, deflate, animation, chunks, EXIF, forms, JSON"
EXPECTED = "rejected, or read without unpacking the bomb, in under 200 ms and 64 MB"

_SECONDS = 0.2
_BYTES = 64 << 20


def run(score: Score) -> None:
    """Send each alone to a service with one worker."""
    read = 0
    with service(workers=1) as server:
        for request in decompression_bombs.warm_up():
            wire.exchange(server.port, request, half_close=False)
        for name, request in decompression_bombs.all_bombs():
            before = processes.total(server.workers(), "VmRSS")
            processes.reset_peak(server)
            started = time.monotonic()
            answer = wire.exchange(server.port, request, half_close=False)
            seconds = time.monotonic() - started
            more = (processes.total(server.workers(), "VmHWM") - before) << 10
            status = answer.status if answer else 0
            read += status == 200
            allowed = 400 <= status < 500 or (status == 200 and name in decompression_bombs.HARMLESS)
            measured = f"status {status}, {seconds * 1000:.0f} ms, {processes.mebi(more)} more"
            score.check(allowed and seconds < _SECONDS and more < _BYTES, f"{name}: {measured}")
    score.note(f"read without unpacking the bomb: {read}")
