"""Gives freed memory back to the system, where the C library is glibc.

Without it two workers grew by 23 MB over 900,000 mixed requests. Allocating large buffers with mmap
(`M_MMAP_THRESHOLD`) would help too, but makes pictures 20 to 50% slower.
"""

import ctypes
import threading
import time
from typing import Any

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2
GIVE_BACK_SECONDS = 10.0


def share_among_threads() -> None:
    """Let threads share two arenas instead of having one each: saves a quarter of a worker's memory."""
    _call("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back(seconds: float = GIVE_BACK_SECONDS) -> None:
    """Start a thread that returns free pages to the system every `seconds`. Call this after the fork."""
    threading.Thread(target=_give_back, args=(seconds,), name="memory", daemon=True).start()


def _give_back(seconds: float) -> None:
    while True:
        time.sleep(seconds)
        _call("malloc_trim", 0)


def _call(name: str, *arguments: Any) -> None:
    if function := getattr(ctypes.CDLL(None), name, None):
        function(*arguments)
