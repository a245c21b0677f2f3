"""gunicorn's configuration, made from the settings, and its worker. `python -m service` runs gunicorn with this."""

import gc
import itertools
import logging
import mmap
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead
from uvicorn_worker import UvicornWorker

from service import memory
from service.http import logs, metrics
from service.http.connections import Connections
from service.settings import Settings

_MOST_WORKERS = 512  # twice what the settings allow: a reload runs old and new workers side by side
_SPARE_FILES = 128
_SWITCH_SECONDS = 0.0005
_STORE_SECONDS = _MASTER_SECONDS = 1.0
_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}

_settings = Settings.from_environ(os.environ)
_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
_metrics_directory = Path(tempfile.mkdtemp(prefix="digits-metrics-", dir=_memory))
_shares = memoryview(mmap.mmap(-1, 8 * _MOST_WORKERS)).cast("q")  # for `Connections`
_place = 0  # of the worker that is being forked, and in it

# We use no BLAS: its threads and buffers would only take memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING))

memory.configure()
_most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_most_files, _most_files))


class Server(uvicorn.Server):
    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Accept connections, in this worker's share."""
        most = max(1, min(worker_connections, _most_files - _SPARE_FILES))
        self.servers = [Connections(self, sockets or (), _shares, _place, most)]  # type: ignore[list-item]
        self.started = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Finish on SIGTERM; end at once on SIGINT and SIGQUIT, as gunicorn's workers do.

        uvicorn's own would raise SIGTERM again at the end, and a normal stop would look like a crash.
        """
        if sig != signal.SIGTERM:
            os._exit(0)
        self.should_exit = True


class Worker(UvicornWorker):  # type: ignore[misc]
    CONFIG_KWARGS = {  # noqa: RUF012
        "loop": "uvloop",
        "ws": "none",
        "interface": "asgi3",
        "lifespan": "off",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": _settings.grace_seconds,
    }

    def init_signals(self) -> None:
        """Unblock the signals that `pre_fork` blocked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def stop_without_master(self) -> None:
        """Stop if the master was killed: nobody else would ever stop this worker, or start another one."""
        if os.getppid() != self.ppid:
            os.kill(os.getpid(), signal.SIGTERM)

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        logger = logging.getLogger("uvicorn.error")  # into the service's log; front.py logs requests
        logger.propagate = True
        logger.setLevel(logging.ERROR)
        server = Server(self.config)
        self.wsgi.here.draining = lambda: server.should_exit
        signal.signal(signal.SIGQUIT, server.handle_exit)
        await server.serve(sockets=[listener.sock for listener in self.sockets])


class GunicornLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's lines to the service's log."""

    def setup(self, cfg: Any) -> None:
        """Configure all logging; gunicorn calls this at the start and at each reload."""
        self.cfg = cfg
        logs.configure(Settings.from_environ(os.environ))
        for logger in (self.error_log, self.access_log):
            logger.propagate = True


wsgi_app = "service.gunicorn_conf:application()"
worker_class = Worker  # docs/architecture.md has the figures of the choice
logger_class = GunicornLogger

bind = _settings.bind
workers = _settings.workers
worker_connections = 8192  # a slow client costs one, and what it has sent
graceful_timeout = _settings.grace_seconds
keepalive = _settings.keepalive_seconds
loglevel = _settings.log_level
proc_name = "digits"
timeout = 120  # seconds that a worker may take to boot, CUDA included

# The workers' heartbeat file must not be on a disk, and the root file system may be read-only.
worker_tmp_dir = _memory
control_socket_disable = True  # it would write into the home directory
forwarded_allow_ips = ""  # front.py reads X-Forwarded-For itself


def application() -> Any:
    from service.http.app import open_service
    from service.http.front import Front

    return Front(open_service(_settings, metrics.join(_metrics_directory, _place)))


def pre_fork(server: Any, worker: Any) -> None:
    """Give a worker the lowest free number: its metrics continue those of the dead worker that had it.

    Signals are blocked from here until `Worker.init_signals`: the master's handlers, which the worker has until then,
    would lose them (gunicorn's issue 1910).
    """
    global _place
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    taken = {other.place for other in server.WORKERS.values()}
    _place = worker.place = next(place for place in itertools.count() if place not in taken)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    mark_process_dead(worker.place, str(_metrics_directory))  # type: ignore[no-untyped-call]
    _shares[worker.place] = 0


def on_exit(server: Any) -> None:  # noqa: ARG001
    shutil.rmtree(_metrics_directory, ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    # The loop needs the interpreter often and briefly; Python's default of 5 ms would delay each of its steps.
    sys.setswitchinterval(_SWITCH_SECONDS)
    repeated = {
        memory.trim: memory.TRIM_SECONDS,
        worker.wsgi.here.store.refresh: _STORE_SECONDS,
        worker.stop_without_master: _MASTER_SECONDS,
    }
    for each in repeated.items():
        threading.Thread(target=_repeat, args=each, daemon=True).start()
    gc.collect()
    gc.freeze()  # a full collection of what stays anyway would take 15 ms during a request


def _repeat(function: Callable[[], None], seconds: float) -> None:
    while True:
        time.sleep(seconds)
        function()
