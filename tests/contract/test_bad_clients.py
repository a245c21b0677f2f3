"""Clients that are slow, stop half-way, never end or send too much: cut off in time, without harm to others."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from tests.contract.exchanges import MODEL, PNG, head, post, seven, whole
from tests.contract.healthy import in_threads, unharmed, waits
from tests.contract.server import Address, Servers, servers
from tests.contract.wire import Received, Stream, connect

pytestmark = pytest.mark.timed

REQUEST_SECONDS = 2  # of the settings "impatient"
HEAD_SECONDS = 10  # time limit of a head; the tests allow some seconds more
IDLE = 1000
MOST_WAIT_AT_FIRST = 2  # seconds for a request behind a thousand connections that all open at once

HALF = {
    "half a head": b"POST /predict HTTP/1.1\r\nHost: a\r\nX-",
    "half a body": head("POST", "/predict", *PNG, "Content-Length: 1000") + b"abc",
    "half a form": head("POST", "/predict", "Content-Type: multipart/form-data; boundary=b", "Content-Length: 999"),
    "half a chunk": head("POST", "/predict", "Transfer-Encoding: chunked") + b"3e8\r\nabc",
    "half a size": head("POST", "/predict", "Transfer-Encoding: chunked") + b"3e",
    "half an inference": head("POST", f"{MODEL}/infer", "Content-Length: 1000") + b"{",
}


@pytest.fixture(scope="module")
def live() -> Iterator[Servers]:
    """Separate servers, because these tests disturb them."""
    with servers() as started:
        yield started


@pytest.fixture
def address(live: Servers) -> Address:
    return live.address()


@pytest.fixture
def impatient(live: Servers) -> Address:
    return live.address("impatient")


def ended(connection: socket.socket, seconds: float) -> Received | None:
    """Return the answer, None if there is none, and check that the connection is closed in time."""
    connection.settimeout(seconds)
    stream = Stream(connection)
    answer = stream.answer()
    if answer is None or ("Connection", "close") in answer.headers:
        with suppress(ConnectionResetError):
            assert stream.read(1) == b""
    return answer


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF)
def test_a_stalled_request_gets_408_in_time(impatient: Address, sent: bytes) -> None:
    in_head = b"\r\n\r\n" not in sent
    with connect(impatient, sent) as connection:
        started = time.monotonic()
        answer = ended(connection, HEAD_SECONDS + 4)
        assert answer is not None
        assert (answer.status, answer.code()) == (408, "request_timeout")
        assert time.monotonic() - started < (HEAD_SECONDS if in_head else REQUEST_SECONDS) + 3


@pytest.mark.parametrize("name", ["half a head", "half a body", "half a chunk"])
def test_a_dripping_client_gets_no_extra_time(impatient: Address, name: str) -> None:
    with connect(impatient, HALF[name]) as connection:
        started = time.monotonic()
        connection.settimeout(0.2)
        while time.monotonic() < started + HEAD_SECONDS + 4:
            with suppress(TimeoutError):
                received = connection.recv(1 << 16)
                break
            connection.sendall(b"a")
    assert received.startswith(b"HTTP/1.1 408 ")


def test_an_endless_body_is_cut_off(impatient: Address) -> None:
    with connect(impatient, head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")) as connection:
        started = time.monotonic()
        connection.settimeout(0.05)
        received = b""
        while not received and time.monotonic() < started + REQUEST_SECONDS + 4:
            connection.sendall(b"5\r\nabcde\r\n")
            with suppress(TimeoutError):
                received = connection.recv(1 << 16)
    assert received.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", *HALF.values()], ids=["nothing", *HALF])
def test_aborted_requests_leak_nothing(address: Address, sent: bytes) -> None:
    for _ in range(20):
        connect(address, sent).close()
    with connect(address, sent) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = ended(connection, 3)
        assert answer is None or (answer.status, answer.code()) == (400, "malformed_request")
    unharmed(waits(address))


@pytest.mark.parametrize("sent", [b"", HALF["half a head"], HALF["half a body"]], ids=["idle", "heads", "bodies"])
def test_a_thousand_idle_connections_delay_nobody(address: Address, sent: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 200:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 200), hard))
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(connect(address, sent))
        assert waits(address, least=1)[0] < MOST_WAIT_AT_FIRST
        unharmed(waits(address, least=50))


def test_endless_headers_are_cut_off(address: Address) -> None:
    with connect(address, b"GET /livez HTTP/1.1\r\nHost: a\r\n", 3) as connection:
        started = time.monotonic()
        with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
            while time.monotonic() < started + 2 * HEAD_SECONDS:
                connection.sendall(b"X-Header: something\r\n" * 1000)
        assert time.monotonic() - started < HEAD_SECONDS


def test_a_client_that_reads_nothing_delays_nobody(live: Servers) -> None:
    address = live.address("impatient")
    ask = whole("GET", "/openapi.json") * 300
    before = resident(live)
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(closing(socket.socket()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(address)
            connection.setblocking(False)
            connection.send(ask)
        unharmed(waits(address, least=50))
        time.sleep(REQUEST_SECONDS + 2)
        unharmed(waits(address))
        assert resident(live) < before + 40


def resident(live: Servers) -> float:
    """Return the resident MiB of the workers of the impatient server."""
    statuses = [Path(f"/proc/{worker}/status").read_text("ascii") for worker in live.server("impatient").workers()]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) / 1024


@pytest.mark.parametrize("clients", [1, 8])
def test_one_byte_chunks_delay_nobody(address: Address, clients: int) -> None:
    body = seven() + bytes(1_200_000 - len(seven()))
    sent = head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")
    sent += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"

    def send() -> None:
        with connect(address, seconds=60) as connection:
            with suppress(ConnectionResetError, BrokenPipeError):
                connection.sendall(sent)
            answer = Stream(connection).answer()
            assert answer is not None
            assert answer.status == 200 or answer.code() in ("malformed_request", "request_timeout", "too_large")

    with in_threads(*[send] * clients) as going_on:
        found = waits(address, going_on)
    unharmed(found)


def test_two_hundred_pipelined_requests_are_answered_in_order(address: Address) -> None:
    sent = b"".join(
        post("/predict", seven() if number % 3 else b"", *PNG, f"X-Request-ID: n{number}") for number in range(200)
    )
    with connect(address, sent, 20) as connection:
        stream = Stream(connection)
        answers = [stream.answer() for _ in range(200)]
    found = [
        ({name.lower(): value for name, value in answer.headers}["x-request-id"], answer.status)
        for answer in answers
        if answer
    ]
    assert found == [(f"n{number}", 200 if number % 3 else 400) for number in range(200)]


SMUGGLED = whole("GET", "/v2")
SMUGGLING = {  # those that are malformed in one header are in the transcripts
    "chunks and length": head("POST", "/predict", *PNG, "Transfer-Encoding: chunked", "Content-Length: 5")
    + b"0\r\n\r\n",
    "chunks and identity": head("POST", "/predict", *PNG, "Transfer-Encoding: chunked", "Transfer-Encoding: identity")
    + b"0\r\n\r\n",
    "gzip and chunks": head("POST", "/predict", *PNG, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "two lengths": head("POST", "/predict", *PNG, "Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
    "a bare line feed": b"GET /livez HTTP/1.1\nHost: a\n\n",
    "a size beyond 64 bits": head("POST", "/predict", *PNG, "Transfer-Encoding: chunked")
    + b"10000000000000000\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLING.values(), ids=SMUGGLING)
def test_no_request_is_smuggled(address: Address, sent: bytes) -> None:
    with connect(address, sent + SMUGGLED) as connection:
        stream = Stream(connection)
        answer = stream.answer()
        assert answer is not None
        assert answer.status == 400
        assert answer.code() in ("malformed_request", "unsupported_transfer_coding")
        with suppress(ConnectionResetError):
            assert stream.read(1) == b"", "what followed was answered"


@pytest.mark.parametrize("path", ["/predict", "/predict?seen=true", "/predict/batch", f"{MODEL}/infer"])
@pytest.mark.parametrize("way", ["length", "chunks"])
def test_an_error_reaches_a_client_that_is_still_sending(address: Address, path: str, way: str) -> None:
    size = 40 << 20
    header = f"Content-Length: {size}" if way == "length" else "Transfer-Encoding: chunked"
    kind = "Content-Type: multipart/form-data; boundary=b" if path == "/predict/batch" else PNG[0]
    block = bytes(1 << 20) if way == "length" else b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with connect(address, head("POST", path, kind, header), 20) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):
            for _ in range(size >> 20):
                connection.sendall(block)
        answer = Stream(connection).answer()
        assert answer is not None, "the answer was lost"
        assert (answer.status, answer.code()) == (413, "too_large")


def test_expect_100_continue_is_answered(address: Address) -> None:
    asking = (*PNG, "Expect: 100-continue")
    with connect(address, head("POST", "/predict", *asking, f"Content-Length: {len(seven())}")) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(seven())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    with connect(address, head("POST", "/predict", *asking, f"Content-Length: {20 << 20}")) as connection:
        answer = Stream(connection).answer()
        assert answer is not None
        assert answer.status == 413
