"""Freed memory is returned to the system although the heap is fragmented."""

import ctypes
import subprocess
import sys

import pytest

from tests.server import ROOT

PROGRAM = """
import re, time
from pathlib import Path
from service import memory

def private():
    return int(re.search(r"Private_Dirty: *([0-9]+)", Path("/proc/self/smaps_rollup").read_text())[1])

memory.configure()
blocks = [bytearray(4000) for _ in range(20_000)]
blocks = blocks[::50]
before = private()
deadline = time.monotonic() + 10
while private() > before - 40_000 and time.monotonic() < deadline:
    memory.trim()
print(before - private())
"""

# A large buffer first: freed, it would raise what glibc keeps at an arena's end to twice its size.
LARGE = (
    """
import threading
from service import memory

def work():
    del [bytearray(31 << 20)][0]
    blocks = [bytearray(1 << 20) for _ in range(28)]

memory.configure()
thread = threading.Thread(target=work)
thread.start()
thread.join()
memory.trim()
"""
    + PROGRAM[PROGRAM.index("import re") : PROGRAM.index("memory.configure")]
    + """
print(private())
"""
)
glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")


@glibc
def test_a_thread_keeps_no_large_buffers() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # kB, of 28 MB and what the interpreter takes


@glibc
def test_freed_memory_is_returned() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000  # kB, of 80 MB
