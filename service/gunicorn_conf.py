"""gunicorn's configuration, made from the settings. `python -m service` runs gunicorn with this."""

import gc
import itertools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from service import memory
from service.board import Board
from service.settings import Settings
from service.shares import Shares

if TYPE_CHECKING:
    from flask import Flask

    from service.api import Service

_settings = Settings.from_environ(os.environ)
# Twice the workers live together while a reload changes them; some more may be added by signal.
_board = Board(2 * _settings.workers + 8)
_shares = Shares(len(_board))
_row = 0  # of both, this worker's

# No matrix is multiplied in numpy here: the threads and buffers of OpenBLAS would only take memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_SWITCH_SECONDS = 0.0005
_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}

os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING))

memory.share_among_threads()

wsgi_app = "service.gunicorn_conf:application()"
# Threads, for decoding a large picture and running the model take most of the time and release the interpreter: with an
# event loop (gevent) the slowest percent of small requests waited ten times as long for the others. The sync worker
# keeps no connection. What is small the worker answers in its main thread, see `service.quick`. gunicorn's parser in C
# (gunicorn_h1c) saves 5 of 410 us; the version that gunicorn 27 asks for could not be had when this was measured.
worker_class = "service.worker.Worker"
logger_class = "service.logs.GunicornLogger"

bind = _settings.bind
workers = _settings.workers
# Predictions never take all of them: health, metrics and refusals are answered by the rest.
threads = _settings.max_in_flight + 4
worker_connections = 8192  # a slow client costs one, and what it has sent
graceful_timeout = _settings.grace_seconds
loglevel = _settings.log_level
proc_name = "digits"

keepalive = 5  # seconds for which an idle connection is kept; longer than a client's pause between two requests
timeout = 120  # seconds that a worker may take to boot, CUDA included; afterwards it reports each second

# The file whose time says that a worker is alive must be on no disk, and the root file system may be read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True  # it would write into the home directory
forwarded_allow_ips = ""  # nothing here looks at the client's address or scheme


def application() -> "Flask":
    """Return the application of this worker, which counts together with all others."""
    from service.app import create_app
    from service.metrics import Metrics

    return create_app(_settings, metrics=Metrics(_board, _row) if _row < len(_board) else None)


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker the first row of the board that no other has: it goes on counting where a dead one ended.

    Signals wait from here on, until `Worker.init_signals`. Meanwhile it has the master's handlers, which would put them
    into a queue that nobody reads (gunicorn's issue 1910): told to stop while it starts, a worker went on.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    taken = {other.row for other in server.WORKERS.values()}
    worker.row = next(row for row in itertools.count() if row not in taken)


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Remember the row in the worker."""
    global _row
    _row = worker.row
    worker.shares, worker.place = (_shares, _row) if _row < len(_shares) else (Shares(1), 0)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    """Take back what a worker that has ended, however it did, said of itself."""
    if worker.row < len(_board):
        _board.row(worker.row).retire()
        _shares.leave(worker.row)


def post_worker_init(worker: Any) -> None:
    """Let a worker that has its application follow the models directory, and know when it has been told to stop."""
    # The thread that waits for clients needs the interpreter often, and briefly; the 5 ms that Python gives to a
    # thread which computes would make each of its steps that slow.
    sys.setswitchinterval(_SWITCH_SECONDS)
    here: Service = worker.wsgi.extensions["digits"]
    here.draining = lambda: not worker.alive
    here.store.watch()
    here.metrics.watch()
    memory.give_back()
    gc.collect()
    gc.freeze()  # what is here now stays: to look for garbage in it would take 15 ms, in the midst of a request
