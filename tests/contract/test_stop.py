"""SIGTERM under load: every received request is answered, and the process exits."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, NotConnected

import pytest

from tests.contract.digits import encode, ink, on_paper
from tests.contract.exchanges import form, head, seven
from tests.contract.wire import Stream, connect
from tests.server import Server, serving


def _stopped_after(server: Server, seconds: float) -> threading.Thread:
    def stop() -> None:
        time.sleep(seconds)
        server.process.send_signal(signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    return thread


def _ask_until_closed(address: tuple[str, int], seen: bool) -> tuple[int, bool]:
    """Return the number of answered requests, and whether the last one sent got no answer."""
    answered = 0
    with closing(HTTPConnection(*address, timeout=20)) as connection:
        connection.connect()
        connection.auto_open = 0
        while True:
            try:
                connection.request("POST", f"/predict?seen={seen}", seven(), {"Content-Type": "image/png"})
            except (NotConnected, BrokenPipeError):  # closed before it could be sent
                return answered, False
            try:
                response = connection.getresponse()
            except OSError:
                return answered, True
            assert response.status == 200, response.read()
            answered += 1
            response.read()
            if response.getheader("Connection") == "close":
                return answered, False


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_one_after_another_are_all_answered(workers: int) -> None:
    with serving(WORKERS=workers, GRACE_SECONDS=10) as server:
        server.wait_for_ready_workers(workers)
        stopping = _stopped_after(server, 1)
        with ThreadPoolExecutor(8) as pool:
            ways = [False, True] * 4
            found = list(pool.map(lambda seen: _ask_until_closed(("127.0.0.1", server.port), seen), ways))
        stopping.join()
        assert server.process.wait(15) == 0
    assert all(answered > 3 for answered, _ in found), found
    assert [lost for _, lost in found] == [False] * 8


def test_running_batches_finish() -> None:
    body, kind = form(*[("image", encode(on_paper(ink("7", 300))), "a.png")] * 30)
    with serving(GRACE_SECONDS=15) as server:
        sent = head("POST", "/predict/batch", kind, f"Content-Length: {len(body)}") + body
        connections = [connect(("127.0.0.1", server.port), sent, 20) for _ in range(4)]
        _stopped_after(server, 0.05).join()
        answers = [Stream(connection).answer() for connection in connections]
        for connection in connections:
            connection.close()
        assert server.process.wait(20) == 0
    assert [answer.status if answer else None for answer in answers] == [200] * 4
