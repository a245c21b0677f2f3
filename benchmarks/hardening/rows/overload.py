"""Ten times the maximum load."""

import time

from benchmarks.hardening import load
from benchmarks.hardening.score import Score
from benchmarks.hardening.target import service

TITLE = "ten times the maximum load"
EXPECTED = "90% of the peak answered, the rest 429 with Retry-After in under 100 ms, /livez under 1 s"

_CLIENTS = 128


def run(score: Score) -> None:
    """Find the peak rate with few clients, then offer ten times as much."""
    seconds, seconds_of_peak = score.choose(5, 60), score.choose(4, 20)
    with service() as server:
        with load.running_load(server.port, load.digits(), 8) as few:
            time.sleep(seconds_of_peak)
        peak = len(few.answers) / seconds_of_peak
        with (
            load.running_load(server.port, load.digits(), _CLIENTS, rate=10 * peak) as clients,
            load.running_load(server.port, [load.get("/livez")], 1, rate=5) as probe,
        ):
            started = time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - started
            answers = list(clients.answers)
    good = sum(answer.status == 200 for answer in answers) / took
    score.check(good >= 0.9 * peak, f"{good:.0f} a second answered, the peak was {peak:.0f}")
    refused = load.failed(answers)
    for answer in refused:
        passed = answer.status == 429 and answer.retry_after and answer.seconds < 0.1
        score.check(passed, f"request {answer.number}: status {answer.status} after {answer.seconds * 1000:.0f} ms")
    for answer in probe.answers:
        score.check(
            answer.status == 200 and answer.seconds < 1, f"/livez: {answer.status} after {answer.seconds:.2f} s"
        )
    score.note(f"peak {peak:.0f} a second; offered {len(answers) / took:.0f}; answered {good:.0f}")
    waits = [answer.seconds for answer in refused]
    late = ", ".join(f"p{100 * share:.0f} {1000 * load.percentile(waits, share):.0f} ms" for share in (0.5, 0.9, 0.99))
    score.note(f"refusals: {late}")
