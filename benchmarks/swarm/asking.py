"""Clients at the proxies of several nodes, and the row of figures that they give."""

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
_CLIENTS = 4  # at each proxy; with the large pictures fewer than one worker takes on at a time
_TIMEOUT = 60.0


@dataclass
class Row:
    """What was done, what came of it, and how long it took; `answers` are those of all clients meanwhile."""

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
    """Return those that are no answer to a picture."""
    return [answer for answer in answers if answer.status != 200]


@contextmanager
def asked(row: Row, nodes: Sequence[Engine]) -> Iterator[None]:
    """Ask the proxies of these nodes all the time; the row has the answers in the end."""
    options: dict[str, float | str] = {"rate": RATE, "timeout": _TIMEOUT}
    with ExitStack() as kept:
        clients = [
            kept.enter_context(load.loading(PORT, load.digits(), _CLIENTS, host=node.address, **options))
            for node in nodes
        ]
        yield
    row.answers += [answer for client in clients for answer in client.answers]


@contextmanager
def large_pictures(row: Row, nodes: Sequence[Engine], clients: int) -> Iterator[None]:
    """Have so many clients at each of these proxies ask for large pictures, so that some are always under way."""
    picture = drawing.encode(drawing.digit(7).resize((3000, 3000), Image.Resampling.BICUBIC), "JPEG")
    requests = [load.post(picture, content_type="image/jpeg")]
    options: dict[str, float | str] = {"timeout": _TIMEOUT}
    with ExitStack() as kept:
        asking = [
            kept.enter_context(load.loading(PORT, requests, clients, host=node.address, **options)) for node in nodes
        ]
        yield
    row.answers += [answer for client in asking for answer in client.answers]
