"""Memory: what models take in a server, and how much of it there is for them."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["available", "capacity", "footprint"]

# A model takes twice its size while it is loaded, and the tests need memory too.
_SHARE = 0.5
# The graph, its session and its warm kernels, beside the weights.
_OVERHEAD = 4 << 20


def footprint(directory: Path) -> int:
    """Return about how many bytes a version takes once it is loaded: its files' size, and what any model takes."""
    files = (Path(folder, name) for folder, _, names in os.walk(directory) for name in names)
    return _OVERHEAD + sum(file.stat().st_size for file in files if file.is_file())


def capacity(free: int) -> int:
    """Return how many bytes models may take together where so many are free."""
    return int(free * _SHARE)


def available(root: Path = Path("/")) -> int:
    """Return how many bytes this process and its children may still take: of the machine, and of their cgroups.

    Args:
        root: Where `proc` and `sys` are.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    free = int(found[1]) * 1024 if found is not None else _half_of_the_machine()  # macOS
    return max(0, min([free, *_left_in_cgroups(root)]))


def _half_of_the_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _left_in_cgroups(root: Path) -> list[int]:
    """Return what is left in each cgroup that limits this process's memory."""
    found = re.search(r"^0::(/.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    top = root / "sys/fs/cgroup"
    mine = top / ("" if found is None else found[1].lstrip("/"))
    # Version 2 has the limits of all levels; of version 1 a container sees its own.
    second = [
        _left(folder, "memory.max", "memory.current") for folder in (mine, *mine.parents) if folder.is_relative_to(top)
    ]
    first = _left(top / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    return [left for left in (*second, first) if left is not None]


def _left(folder: Path, limit: str, usage: str) -> int | None:
    most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
    if not (most.isdecimal() and used.isdecimal()):  # "max": no limit
        return None
    # Files that were read once are given back before anything is refused.
    cached = re.findall(r"^(?:total_)?inactive_file (\d+)", _text(folder / "memory.stat"), re.MULTILINE)
    return int(most) - int(used) + max(map(int, cached), default=0)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
