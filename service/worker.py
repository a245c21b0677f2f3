"""gunicorn's threaded worker, in which no thread waits for a client, and which refuses in our error shape.

gunicorn's own reads a request in the thread that answers it, without a deadline: as many half-sent requests as there
are threads, and nobody is answered any more. A deadline alone would not help, for a client that is cut off comes again.
Here the main thread waits, for all clients at once, and hands a request to a thread when all of it has arrived; what
the client does not take of the answer at once, the main thread sends. A slow client costs a socket and what it sent.
"""

import os
import re
import resource
import selectors
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from time import monotonic
from typing import Any

from gunicorn.http.errors import ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from service import refusals
from service.api.direct import is_open
from service.connection import Connection
from service.errors import TooBusy
from service.logs import Notes, current
from service.quick import MOST_TOGETHER, Quick
from service.shares import Shares

_PREDICTION = re.compile(rb"POST /(?:predict(?:/batch)?|v2/models/[^ ?]+/infer)[ ?]")

HEAD_SECONDS = 10.0  # for a head to arrive in full
_LINGER_SECONDS = 5.0  # for a client to close after an answer that closes the connection
_STOP_IDLE_SECONDS = 2.0  # for a client to use a kept connection once more, after SIGTERM
_TICK_SECONDS = 0.5  # how often deadlines are looked at
_YIELD_SECONDS = 0.002  # for a worker with fewer connections to take one
_DISCARDED = 4  # so many times the largest body are thrown away, that a client may send while it is refused
_BUFFERED = 8  # so many times the largest body may have arrived of unfinished requests, in a worker
_SPARE_FILES = 128
# Threads compute; the main thread has little to do, but at once. Under ten times the load its refusals then take 2 ms
# in the median instead of 6, and 31 in the slowest percent instead of 49. Threads that are 19 nicer answer less.
_NICE = 5


class Worker(ThreadWorker):  # type: ignore[misc]
    """The threaded worker as it serves here.

    Of gunicorn's it takes the pool of threads, the parsing and the answering (`handle`); the main loop is its own. A
    connection is either in `_waiting`, where the main thread watches its socket, or in a thread.
    """

    shares: Shares  # of all workers, in which this one has its `place`: set after the fork
    place: int

    def init_process(self) -> None:
        """Take as many files as are allowed, and as many connections as there are files for."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if most != resource.RLIM_INFINITY:
            self.worker_connections = max(1, min(self.cfg.worker_connections, most - _SPARE_FILES))
        self._waiting: set[Connection] = set()
        self._yields_until = 0.0  # to a worker that holds fewer connections; 0 where no client waits
        self._buffered = 0
        self._next_tick = 0.0
        self._predicting = 0  # requests for predictions in threads
        self._counting = threading.Lock()
        self._refused = 0  # of them, since the log last said so
        super().init_process()

    def init_signals(self) -> None:
        """Take gunicorn's handlers, and then the signals that have waited for them since `gunicorn_conf.pre_fork`."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def get_thread_pool(self) -> futures.ThreadPoolExecutor:
        """Return gunicorn's pool with all of its threads started, so that a first burst does not wait for them."""
        pool: futures.ThreadPoolExecutor = super().get_thread_pool()
        together = threading.Barrier(self.cfg.threads)

        def begin() -> None:
            if sys.platform == "linux":  # elsewhere 0 is the whole process
                with suppress(OSError):  # a sandbox may forbid it
                    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + _NICE)
            together.wait()

        futures.wait([pool.submit(begin) for _ in range(self.cfg.threads)])
        return pool

    def run(self) -> None:
        """Serve until told to stop, then finish what has begun, within the grace time."""
        here = self.wsgi.extensions["digits"]
        settings, self._metrics = here.settings, here.metrics
        # A page of another site may read no answer without the headers for it, which are Flask's.
        self._most_predicting = sys.maxsize if settings.cors_origins else settings.max_in_flight
        self._max_body = settings.max_upload_bytes
        self._body_seconds = settings.request_seconds
        self._quick = Quick(here, self.wsgi.wsgi_app.ids, self.log) if is_open(settings) else None
        self._together: list[Connection] = []
        self._inferences: deque[Connection] = deque()
        self._most_together = min(MOST_TOGETHER, settings.max_batch)
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.shares.hold(self.place, 0)
        while self.alive and self.is_parent_alive():
            self.notify()
            self.set_accept_enabled(self.nr_conns < self.worker_connections and not self._yields_until)
            self._turn()
        self._stop_listening()
        grace = monotonic() + self.cfg.graceful_timeout
        while self.nr_conns > 0 and monotonic() < grace:
            self.notify()
            self._turn()
        self.tpool.shutdown(wait=False)

    def _turn(self) -> None:
        self.wait_for_and_dispatch_events(self._patience())
        self._answer_together()
        self._answer_an_inference()
        now = monotonic()
        if 0 < self._yields_until <= now:
            self._yields_until = 0.0
            for listener in self.sockets:
                self._take_connection(listener)
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            if self._refused:
                self.log.warning("Refused %d predictions: more are asked for than can be made", self._refused)
                self._refused = 0
            for connection in [waiting for waiting in self._waiting if waiting.deadline <= now]:
                self._expire(connection)

    def _patience(self) -> float:
        """Return for how many seconds there is nothing to do but to wait for clients."""
        if self._inferences:
            return 0.0
        return max(0.0, self._yields_until - monotonic()) if self._yields_until else _TICK_SECONDS

    def _stop_listening(self) -> None:
        """Take the connections that clients have made already, and no more: those are refused at once from now on."""
        self.shares.leave(self.place)
        self._yields_until = 0.0
        for listener in self.sockets:
            listener.setblocking(False)
            while self._take_connection(listener):
                pass
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        soon = monotonic() + _STOP_IDLE_SECONDS
        for connection in self._waiting:
            if connection.idle:
                connection.deadline = min(connection.deadline, soon)

    def accept(self, listener: Any) -> None:
        """Take a client's connection; where another worker holds fewer, only if that one does not within a moment."""
        if self.shares.has_fewest(self.place):
            self._take_connection(listener)
        else:
            self._yields_until = monotonic() + _YIELD_SECONDS

    def _take_connection(self, listener: Any) -> bool:
        """Take a connection, if there is one, and wait for its request."""
        try:
            sock, client = listener.accept()
        except OSError:  # none, or it has gone again; with too few files it stays until there is one
            return False
        self._hold(1)
        connection = Connection(self.cfg, sock, client, listener.getsockname(), self._max_body)
        connection.due_in(HEAD_SECONDS)
        self._await(connection, selectors.EVENT_READ, self._on_request)
        return True

    def _await(self, connection: Connection, events: int, then: Callable[[Connection], None]) -> None:
        """Call `then` when the socket is ready; what is to happen if it never is, `_expire` knows."""
        if connection in self._waiting and connection.waiting_for == then:
            return
        if connection in self._waiting:
            self.poller.modify(connection.socket, events, lambda _: then(connection))
        else:
            self.poller.register(connection.socket, events, lambda _: then(connection))
            self._waiting.add(connection)
        connection.waiting_for = then

    def _release(self, connection: Connection) -> None:
        """Watch the socket no longer."""
        if connection in self._waiting:
            self._waiting.remove(connection)
            self.poller.unregister(connection.socket)

    def _close(self, connection: Connection) -> None:
        self._release(connection)
        self._forget(connection)
        self._hold(-1)
        connection.close()

    def _hold(self, more: int) -> None:
        self.nr_conns += more
        if self.alive:
            self.shares.hold(self.place, self.nr_conns)

    def _on_request(self, connection: Connection) -> None:
        """Take what has come of a request; hand it over when that is all."""
        data = connection.receive()
        if data:
            self._take(connection, data)
        elif data is not None and connection.idle:
            self._close(connection)
        elif data is not None:
            connection.arrival.refusal = refusals.CutOff()
            self._hand_over(connection)

    def _take(self, connection: Connection, data: bytes) -> None:
        arrival = connection.arrival
        if connection.idle:
            connection.due_in(HEAD_SECONDS)
        in_head = arrival.in_head
        arrival.feed(data)
        self._count(connection)
        if in_head and not arrival.in_head:
            connection.due_in(self._body_seconds)
        if not arrival.whole and self._buffered > _BUFFERED * self._max_body:
            arrival.refusal = TooBusy("Too much is being sent at once: try again after the seconds in `Retry-After`.")
        if self._is_too_much(connection):
            self._shed(connection)
        elif arrival.whole and self.alive and self._quick and self._quick.may_take(arrival.content):
            self._together.append(connection)
        elif arrival.whole and self.alive and self._quick and self._quick.may_infer(arrival.content):
            self._release(connection)
            self._inferences.append(connection)
        elif arrival.whole or arrival.refusal:
            self._hand_over(connection)
        elif arrival.wants_continue:
            connection.go_on()

    def _answer_together(self) -> None:
        """Answer at once what can be, of the requests that have arrived since the last time; hand the others over."""
        while self._together:
            some, self._together = self._together[: self._most_together], self._together[self._most_together :]
            self._answer_some(some)

    def _answer_some(self, together: list[Connection]) -> None:
        try:
            answers = self._quick.answer(together) if self._quick else []
        except Exception:  # whatever it is, the usual way knows how to say so
            self.log.exception("Failed at %d requests together", len(together))
            answers = [None] * len(together)
        for connection, answer in zip(together, answers, strict=True):
            if answer is None and self._is_too_much(connection):
                self._shed(connection)
            elif answer is None:
                self._hand_over(connection)
            else:
                self._give(connection, answer)

    def _answer_an_inference(self) -> None:
        """Answer one of those that have arrived, that whoever sends a small picture meanwhile waits for no more."""
        if not self._inferences:
            return
        connection = self._inferences.popleft()
        try:
            answer = self._quick.infer(connection) if self._quick else None
        except Exception:  # whatever it is, the usual way knows how to say so
            self.log.exception("Failed at an inference")
            answer = None
        if answer is None:
            self._hand_over(connection)
        else:
            self._give(connection, answer)

    def _give(self, connection: Connection, answer: bytes) -> None:
        """Answer a request that no thread has seen, and keep the connection."""
        self._forget(connection)
        del connection.arrival.content[: connection.arrival.length]
        connection.sock.sendall(answer)
        connection.keep = True
        connection.due_in(self._body_seconds)
        self._on_writable(connection)

    def _count(self, connection: Connection) -> None:
        self._buffered += len(connection.arrival.content) - connection.counted
        connection.counted = len(connection.arrival.content)

    def _forget(self, connection: Connection) -> None:
        self._buffered -= connection.counted
        connection.counted = 0

    def _hand_over(self, connection: Connection) -> None:
        self._release(connection)
        self._forget(connection)
        whole = connection.arrival.refusal is None
        connection.predicts = whole and _PREDICTION.match(connection.arrival.content) is not None
        self._count_prediction(connection, 1)
        self.enqueue_req(connection)

    def _count_prediction(self, connection: Connection, one: int) -> None:
        with self._counting:
            self._predicting += one * connection.predicts

    def _is_too_much(self, connection: Connection) -> bool:
        return (
            self._predicting + len(self._inferences) >= self._most_predicting
            and connection.arrival.length > 0
            and _PREDICTION.match(connection.arrival.content) is not None
        )

    def _shed(self, connection: Connection) -> None:
        """Refuse a prediction here and now: ten times as many as can be made must not cost what one costs."""
        self._metrics.shed(_rule(connection.arrival.content))
        self._refused += 1
        self._give(connection, refusals.busy(self.wsgi.wsgi_app.ids.name()))

    def _expire(self, connection: Connection) -> None:
        """Refuse a request that has not arrived in time; close what waits for anything else."""
        if connection.waiting_for != self._on_request or connection.idle:
            self._close(connection)
        else:
            connection.arrival.refusal = refusals.Late()
            self._hand_over(connection)

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread, and send of the answer what the client takes at once."""
        try:
            if isinstance(conn.arrival.refusal, refusals.Late | refusals.CutOff):
                self.handle_error(None, conn.sock, conn.client, conn.arrival.refusal)
                return False
            conn.init()
            return bool(super().handle(conn))
        finally:
            # Before the client has its answer, for then it may ask again.
            self._count_prediction(conn, -1)
            conn.flush()

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Keep no connection of which it is not known where the next request begins."""
        try:
            return conn.arrival.refusal is None and bool(super()._keepalive_after(conn, keepalive))
        except (ParseException, OSError):  # in what the answer did not need of the body; one answer is enough
            return False

    def finish_request(self, conn: Connection, fs: "futures.Future[bool]") -> None:
        """Go on with a connection whose request has been answered."""
        conn.keep = not fs.cancelled() and fs.exception() is None and fs.result()
        conn.due_in(self._body_seconds)
        self._on_writable(conn)

    def _on_writable(self, connection: Connection) -> None:
        """Send the rest of an answer, then wait for the next request or for the client to close."""
        try:
            sent = connection.flush()
        except OSError:
            self._close(connection)  # the client has gone
        else:
            if not sent:
                self._await(connection, selectors.EVENT_WRITE, self._on_writable)
            elif connection.keep:
                self._begin_next(connection)
            else:
                self._begin_end(connection)

    def _begin_next(self, connection: Connection) -> None:
        connection.next_request()
        connection.due_in(self.cfg.keepalive if self.alive else _STOP_IDLE_SECONDS)
        if connection.arrival.whole:
            self._hand_over(connection)
        else:
            self._count(connection)
            self._await(connection, selectors.EVENT_READ, self._on_request)

    def _begin_end(self, connection: Connection) -> None:
        connection.end()
        connection.to_discard = _DISCARDED * self._max_body
        connection.due_in(_LINGER_SECONDS)
        self._await(connection, selectors.EVENT_READ, self._on_rest)

    def _on_rest(self, connection: Connection) -> None:
        """Throw away what a client still sends: one that is cut off meanwhile may never see its answer."""
        data = connection.receive()
        connection.to_discard -= len(data or b"")
        if data == b"" or connection.to_discard < 0:
            self._close(connection)

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ARG002
        """Stop at once, on SIGINT and SIGQUIT; requests in flight are dropped.

        gunicorn's own handler shuts the thread pool down. Where the signal arrives while the main thread hands a
        request to that pool, it waits for a lock that it holds itself, until it is killed after the grace period.
        """
        self.alive = False
        self.cfg.worker_int(self)
        os._exit(0)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Answer a request that did not reach the application, or that broke it, and log why."""
        status, code, message = refusals.of(exc)
        notes = Notes(self.wsgi.wsgi_app.ids.name(), code=code)
        current.set(notes)
        self.wsgi.extensions["digits"].metrics.unread(str(status.value), code)
        if isinstance(exc, ParseException):
            self.log.warning("Refused a request: %s", exc)
        else:
            self.log.exception("Failed at a request")
        try:
            write_nonblock(client, refusals.response(status, code, message, notes.request_id))
        except OSError:
            self.log.debug("The client had gone", exc_info=True)
        finally:
            current.set(None)


def _rule(request: bytes | bytearray) -> str:
    """Return the rule, as Flask has it, of a request for predictions."""
    path = request[5:200].partition(b" ")[0].partition(b"?")[0]
    if path.startswith(b"/v2/"):
        version = "/versions/<version>" if b"/versions/" in path else ""
        return f"/v2/models/<name>{version}/infer"
    return path.decode("ascii")
