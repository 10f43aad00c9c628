"""The machine under a measurement: its garbage collector kept quiet, and what else it was busy with."""

from __future__ import annotations

import gc
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # idle and iowait, among the columns of /proc/stat's "cpu" line
_STEAL = 7


@contextmanager
def quiet_collector() -> Iterator[None]:
    """Collect garbage once, then not again until the block ends; the collector is left as it was found."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine did during a measurement, as shares of all its processors' time.

    Attributes:
        processors: Number of processors.
        own: Share used by this process, which sends the requests.
        other: Share used by all other processes, the model server among them; None where the system does not tell.
        steal: Share that the hypervisor gave to other guests; None where the system does not tell.
    """

    processors: int
    own: float
    other: float | None
    steal: float | None

    def __str__(self) -> str:
        """Say it in one line."""
        line = f"{self.processors} CPUs: {self.own:.0%} this process"
        if self.other is not None and self.steal is not None:
            line += f", {self.other:.0%} others (server included), {self.steal:.0%} steal"
        return line

    def as_dict(self) -> dict[str, Any]:
        """Return the shares as plain data."""
        return asdict(self)


class LoadMeter:
    """Measures the machine's load from its creation on."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._own = time.process_time()
        self._stat = _read_stat()

    def read(self) -> Load:
        """Return the load since this meter was made."""
        processors = os.cpu_count() or 1
        seconds = max(time.monotonic() - self._wall, 1e-9) * processors
        own = (time.process_time() - self._own) / seconds
        now = _read_stat()
        if now is None or self._stat is None or sum(now) <= sum(self._stat):
            return Load(processors, own, None, None)
        spent = [after - before for after, before in zip(now, self._stat, strict=True)]
        total = sum(spent)
        steal = spent[_STEAL] / total
        busy = 1 - sum(spent[column] for column in _IDLE) / total - steal
        return Load(processors, own, max(0.0, busy - own), steal)


def _read_stat() -> list[int] | None:
    """Return the jiffies spent in each state by all processors, None where there is no /proc/stat.

    Guest time is left out: the kernel already counts it as user time.
    """
    try:
        line = _STAT.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    return [int(field) for field in line.split()[1 : _STEAL + 2]]
