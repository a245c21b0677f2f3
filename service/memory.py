"""Returns freed memory to the system, with glibc. docs/architecture.md has the figures."""

import ctypes
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_ARENAS = 2
# Larger buffers are returned at once. glibc would raise this to 32 MB, and keep twice that where `malloc_trim` does not
# reach. Much less makes pictures 20 to 50% slower.
_LARGE_BYTES = 4 << 20
TRIM_SECONDS = 10.0


def configure() -> None:
    """Keep no large buffers, and let threads share two arenas: one each would take a third more memory."""
    _call("mallopt", _M_ARENA_MAX, _ARENAS)
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGE_BYTES)
    _call("mallopt", _M_TRIM_THRESHOLD, _LARGE_BYTES)


def trim() -> None:
    """Return free pages to the system."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: Any) -> None:
    if function := getattr(ctypes.CDLL(None), name, None):
        function(*arguments)
