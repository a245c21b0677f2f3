"""Connections are distributed over the workers, and a stopped worker delays nobody."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests import drawing, factory
from tests.server import Server, serving

WORKERS, CONNECTIONS = 3, 12
LEAST = 2  # of 4: on a busy machine a worker may accept too late


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = tmp_path_factory.mktemp("models")
    factory.publish(models)
    with serving(MODELS_DIR=models, WORKERS=WORKERS) as started:
        started.wait_for_ready_workers(WORKERS)
        yield started


def connected(server: Server) -> dict[int, int]:
    """Return how many connections each worker has taken, by the sockets that it holds."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == server.port and fields[3] == "01":  # established
            inodes.add(f"socket:[{fields[9]}]")
    return {worker: sum(link in inodes for link in map(target, descriptors(worker))) for worker in server.workers()}


def descriptors(worker: int) -> list[Path]:
    return list(Path(f"/proc/{worker}/fd").iterdir())


def target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def open_connections(server: Server, stack: ExitStack, count: int) -> None:
    for _ in range(count):
        connection = stack.enter_context(closing(server.connect()))
        connection.request("POST", "/predict", drawing.png(7), {"Content-Type": "image/png"})
        assert connection.getresponse().read()


def test_each_worker_takes_its_share(server: Server) -> None:
    with ExitStack() as stack:
        open_connections(server, stack, CONNECTIONS)
        assert min(connected(server).values()) >= LEAST


def test_other_workers_take_the_connections_of_a_stopped_one(server: Server) -> None:
    stopped = server.workers()[1]
    os.kill(stopped, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            started = time.monotonic()
            open_connections(server, stack, CONNECTIONS)
            assert time.monotonic() - started < 5
            assert connected(server)[stopped] == 0
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_replacement_worker_takes_new_connections(server: Server) -> None:
    with ExitStack() as stack:
        open_connections(server, stack, CONNECTIONS)
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        while victim in server.workers():
            time.sleep(0.02)
        server.wait_for_ready_workers(WORKERS)
        open_connections(server, stack, CONNECTIONS)
        assert min(connected(server).values()) >= LEAST
