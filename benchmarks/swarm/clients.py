"""Clients at the proxies of several nodes, and the result row they produce."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from PIL import Image

from benchmarks.hardening import load
from benchmarks.hardening.score import Score
from benchmarks.swarm.engines import Engine
from benchmarks.swarm.stack import PORT
from tests import drawing

RATE = 8.0  # requests a second at each proxy
_CLIENTS = 4  # at each proxy; with those for large pictures, below one worker's limit
_TIMEOUT = 60.0


@dataclass
class Row:
    """A step of the test: its checks, its duration, and the answers of all clients meanwhile."""

    title: str
    score: Score = field(default_factory=Score)
    answers: list[load.Answer] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """Return the row of the table."""
        taken = [answer.seconds * 1e3 for answer in self.answers]
        times = f"{load.percentile(taken, 0.5):.0f}, {load.percentile(taken, 0.99):.0f}, {max(taken):.0f}"
        counts = f"{len(taken):,} | {len(failed(self.answers))}"
        return f"| {self.title} | {counts} | {times} | {self.seconds:.0f} | {self.score.verdict} |"


def failed(answers: Sequence[load.Answer]) -> list[load.Answer]:
    """Return the answers that are not 200."""
    return [answer for answer in answers if answer.status != 200]


@contextmanager
def under_load(
    row: Row, nodes: Sequence[Engine], requests: Sequence[bytes] = (), clients: int = _CLIENTS, rate: float = RATE
) -> Iterator[None]:
    """Send requests, digits by default, to the proxies of `nodes` while the block runs; add the answers to the row.

    `clients` and `rate` are those at each proxy; rate 0: as fast as they are answered.
    """
    sent = requests or load.digits()
    with ExitStack() as kept:
        loads = [
            kept.enter_context(load.running_load(PORT, sent, clients, host=node.address, rate=rate, timeout=_TIMEOUT))
            for node in nodes
        ]
        yield
    row.answers += [answer for each in loads for answer in each.answers]


def large_picture() -> list[bytes]:
    """Return a request that takes long, so that some are always in flight."""
    picture = drawing.encode(drawing.digit(7).resize((3000, 3000), Image.Resampling.BICUBIC), "JPEG")
    return [load.post(picture, content_type="image/jpeg")]
