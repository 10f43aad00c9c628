"""The heap, and who has it limited and trimmed: only glibc keeps what is freed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_tfsig.model_server import engine, heap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBC = ctypes.CDLL(None)
MIB = 1 << 20
BLOCK = 1 << 16  # too large for the caches of freed blocks, too small to be mapped on its own

# The server's own start, then 32 threads that take memory at the same time; glibc lists its arenas as `<heap nr="…">`.
START = """
import ctypes, os, threading
from pytest_tfsig.model_server import main, program

class Program:
    def __init__(self, flags): pass

    def run(self):
        together = threading.Barrier(32)
        def take():
            together.wait()
            libc.free(libc.malloc(5000))
            together.wait()
        threads = [threading.Thread(target=take) for _ in range(32)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
        libc.fflush(None)
        os._exit(0)

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
main._preload = lambda: None
program.Program = Program
main.main(["--port=1", "--model_base_path=/models"])
"""

pytestmark = pytest.mark.skipif(not hasattr(LIBC, "malloc_trim"), reason="the C library is not glibc")


def resident() -> int:
    """Return the bytes of memory, files aside, that the process takes."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024


@pytest.fixture
def freed() -> Iterator[int]:
    """Free 64 MiB of which no block touches another: the C library holds them. Gives what the process takes then."""
    LIBC.malloc.restype, LIBC.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    LIBC.free.restype, LIBC.free.argtypes = None, (ctypes.c_void_p,)
    LIBC.malloc_trim(0)  # what other tests left would be taken first, and would be there already
    before = resident()
    blocks, kept = [], []
    for _ in range(64 * MIB // BLOCK):
        blocks.append(LIBC.malloc(BLOCK))
        kept.append(LIBC.malloc(BLOCK // 16))
        ctypes.memset(blocks[-1], 1, BLOCK)
    for block in blocks:
        LIBC.free(block)
    taken = resident()
    assert taken > before + 32 * MIB
    yield taken
    for block in kept:
        LIBC.free(block)


def test_what_was_freed_is_given_back(freed):
    heap.trim()
    assert resident() < freed - 32 * MIB


@pytest.fixture
def session(models: Callable[[str], Path]) -> engine.Session:
    return engine.Session.load(models("echo") / "1")


def test_a_session_that_is_closed_leaves_no_freed_memory_behind(session, freed):  # loaded first: that takes memory
    session.close()
    assert resident() < freed - 32 * MIB


def arenas(**environment: str) -> int:
    """Return how many arenas a starting server has come to use."""
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", START], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.count("<heap nr=")


def test_a_server_has_at_most_one_arena_a_cpu():
    assert arenas() <= max(2, os.cpu_count() or 1)


def test_the_environment_says_how_many_arenas_there_are():
    assert arenas(MALLOC_ARENA_MAX="3") == 3
