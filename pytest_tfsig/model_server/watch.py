"""Watching: the server ends with the process that started it, however that one ended."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from typing import Final

__all__ = ["start"]

_POLL_SECONDS: Final = 0.2


def start(pid: int) -> None:
    """Exit this process at once when process `pid` is gone."""
    threading.Thread(target=_exit_after, args=(pid,), name="watch", daemon=True).start()


def _exit_after(pid: int) -> None:
    with suppress(ProcessLookupError):  # it is gone already
        _wait(pid)
    os._exit(0)


def _wait(pid: int) -> None:
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(pid)
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll()
        return
    while True:
        os.kill(pid, 0)
        time.sleep(_POLL_SECONDS)
