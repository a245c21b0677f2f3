"""Ctrl-C: prints a line at once and ends within two seconds, even inside TensorFlow or ONNX Runtime.

Python's handlers run only between bytecodes, and a whole epoch is one of them. The wake-up file descriptor of `signal`
is written as soon as the signal arrives; a thread reads it.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 130  # 128 + SIGINT, as shells count
_GRACE_SECONDS = 1.0  # grace; files are replaced atomically, so a sudden end loses nothing


@contextmanager
def prompt(message: str) -> Iterator[None]:
    """Context in which Ctrl-C prints `message` at once and ends the process soon after.

    Enter it in the main thread.
    """
    line = _Line(message)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    watcher = threading.Thread(target=_watch, args=(reading, line), daemon=True)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:
        line.say()
        raise
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


class _Line:
    """A line that is printed once, by whichever thread comes first."""

    def __init__(self, words: str) -> None:
        self._words, self._lock, self._said = words, threading.Lock(), False

    def say(self) -> None:
        with self._lock:
            if not self._said:
                print(f"\n{self._words}", file=sys.stderr, flush=True)
            self._said = True


def _watch(reading: int, line: _Line) -> None:
    """Read the numbers of signals until the other end is closed."""
    while number := os.read(reading, 1):
        if number[0] == signal.SIGINT:
            line.say()
            ended, _, _ = select.select([reading], [], [], _GRACE_SECONDS)
            if not ended or os.read(reading, 1):  # still running, or a second Ctrl-C
                os._exit(EXIT_CODE)
            return
