"""gunicorn's configuration, made from the settings. `python -m service` runs gunicorn with this."""

import os
from typing import TYPE_CHECKING, Any

from service.settings import Settings

if TYPE_CHECKING:
    from service.api import Service

_settings = Settings.from_environ(os.environ)

# No matrix is multiplied in numpy here: the threads and buffers of OpenBLAS would only take memory.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

wsgi_app = "service.app:create_app()"
worker_class = "service.worker.Worker"
logger_class = "service.logs.GunicornLogger"

bind = _settings.bind
workers = _settings.workers
threads = _settings.threads
graceful_timeout = _settings.grace_seconds
loglevel = _settings.log_level
proc_name = "digits"

keepalive = 5  # seconds for which an idle connection is kept; longer than a client's pause between two requests
timeout = 120  # seconds that a worker may take to boot, CUDA included; afterwards it reports each second

# The file whose time says that a worker is alive must be on no disk, and the root file system may be read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
control_socket_disable = True  # it would write into the home directory
forwarded_allow_ips = ""  # nothing here looks at the client's address or scheme


def post_worker_init(worker: Any) -> None:
    """Let a worker that has its application follow the models directory, and know when it has been told to stop."""
    here: Service = worker.wsgi.extensions["digits"]
    here.draining = lambda: not worker.alive
    here.store.watch()
