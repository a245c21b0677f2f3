"""Small uploads that stand for large ones."""

from benchmarks.hardening import bombs, processes, wire
from benchmarks.hardening.score import Plan, Score
from benchmarks.hardening.target import service

TITLE = "bombs: dimensions, deflate, animation, chunks, EXIF, forms, JSON"
HOLDS = "refused, or read without what explodes, in under 200 ms and 64 MB"

_SECONDS = 0.2
_BYTES = 64 << 20


def run(plan: Plan) -> Score:  # noqa: ARG001
    """Send each by itself to a service with one worker."""
    score, read = Score(), 0
    with service(workers=1) as server:
        for request in bombs.warm_up():
            wire.exchange(server.port, request)
        for name, request in bombs.all_of_them():
            before = processes.resident(server)
            processes.reset_peak(server)
            reply = wire.exchange(server.port, request)
            more = processes.peak(server) - before
            read += reply.status == 200
            held = 200 <= reply.status < 500 and reply.seconds < _SECONDS and more < _BYTES
            said = f"status {reply.status}, {reply.seconds * 1000:.0f} ms, {processes.mebi(more)} more"
            score.hold(held and (reply.status >= 400 or name in bombs.HARMLESS), f"{name}: {said}")
    score.note(f"read without what explodes: {read}")
    return score
