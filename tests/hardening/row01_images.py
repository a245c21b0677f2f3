"""Mutated pictures of every format and mode."""

import random

from tests import drawing
from tests.hardening import load, pictures, processes
from tests.hardening.score import Plan, Score
from tests.hardening.target import service

TITLE = "mutated pictures of every format and mode"
HOLDS = "no 5xx, no worker dies, each under 2 s, memory back within 10%"


def run(plan: Plan) -> Score:
    """Send them, from two clients at a time."""
    score, count = Score(), plan.choose(400, 10_000)
    rng, originals = random.Random(plan.seed), pictures.originals()
    with service() as server:
        load.Load(server.port, _warm_up(originals), 4).run(plan.choose(1500, 5000))
        processes.wait_until_quiet(server)
        workers, before = server.workers(), processes.usage(server).memory
        sent = [pictures.mutate(rng, rng.choice(originals), rng.choice(originals)) for _ in range(count)]
        client = load.Load(server.port, [load.post(content) for content in sent], 2)
        client.run(count)
        for answer in client.answers:
            held = 200 <= answer.status < 500 and answer.seconds < 2
            score.hold(held, f"picture {answer.number}: status {answer.status} after {answer.seconds:.2f} s")
        score.hold(server.workers() == workers, "a worker died")
        processes.wait_until_quiet(server)
        after = processes.usage(server).memory
        score.hold(after <= 1.1 * before, f"memory: {processes.mebi(before)} before, {processes.mebi(after)} after")
        score.note(f"memory of two workers: {processes.mebi(before)} before, {processes.mebi(after)} after")
        slowest = max(answer.seconds for answer in client.answers)
        score.note(f"read: {sum(answer.status == 200 for answer in client.answers)}; slowest: {slowest:.2f} s")
    return score


def _warm_up(originals: list[bytes]) -> list[bytes]:
    large = drawing.encode(drawing.digit(7, side=2000, size=1500), "PNG")
    return [*map(load.post, originals), load.post(large)]
