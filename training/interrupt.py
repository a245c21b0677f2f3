"""Ctrl-C: prints a line at once and ends within two seconds, even inside TensorFlow or ONNX Runtime.

Python's handlers run only between bytecodes, and a whole epoch is one of them. The wake-up file descriptor of `signal`
is written as soon as the signal arrives; a thread reads it.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_CODE = 130  # 128 + SIGINT, as shells count
_GRACE_SECONDS = 0.5  # files are replaced atomically, so a sudden end loses nothing


@contextmanager
def prompt(message: str) -> Iterator[None]:
    """Context in which Ctrl-C prints `message` at once and ends the process soon after.

    Enter it in the main thread.
    """
    said = threading.Lock()  # taken by whichever thread comes first

    def say() -> None:
        if said.acquire(blocking=False):
            print(f"\n{message}", file=sys.stderr, flush=True)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    watcher = threading.Thread(target=_watch, args=(reading, say), daemon=True)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:
        say()
        raise
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _watch(reading: int, say: Callable[[], None]) -> None:
    """Read the numbers of signals until the other end is closed."""
    while number := os.read(reading, 1):
        if number[0] == signal.SIGINT:
            say()
            ended, _, _ = select.select([reading], [], [], _GRACE_SECONDS)
            if not ended or os.read(reading, 1):  # still running, or a second Ctrl-C
                os._exit(EXIT_CODE)
            return
