"""The C library's heap, from which TensorFlow takes its memory.

glibc keeps what is freed, for the arena that it came from: up to eight arenas a CPU, as large as it ever had to be.
Requests come and models are loaded in ever other threads, so that in time every arena has seen the largest of all.
Nothing of that is in use, and it ends once all have; but it looks like a leak for as long as that takes. Other C
libraries need none of this.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

__all__ = ["limit_arenas", "trim"]

_LIBC: Final = ctypes.CDLL(None)
_IS_GLIBC: Final = hasattr(_LIBC, "malloc_trim")
_ARENA_MAX: Final = -8  # M_ARENA_MAX
_FEWEST: Final = 2


def limit_arenas() -> None:
    """Have one arena a CPU, to be said before there are threads; `MALLOC_ARENA_MAX` goes before."""
    if _IS_GLIBC and "MALLOC_ARENA_MAX" not in os.environ:
        _LIBC.mallopt(_ARENA_MAX, max(_FEWEST, os.cpu_count() or 1))


def trim() -> None:
    """Give memory that was freed back to the system: whole pages of it, wherever they lie."""
    if _IS_GLIBC:
        _LIBC.malloc_trim(0)
