"""A server process of this machine: started apart from pytest, watched, and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving.folder import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["describe_exit", "disown", "ending", "is_alive", "launch", "leave", "stop", "wait_until"]

# The children of this very process, so that they can be reaped and their exit codes told.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
_GRACE_SECONDS = 5.0
_LONGEST_PAUSE = 0.02


def launch(command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> int:
    """Start a command whose output goes to the end of a file, and return its process id.

    It gets a session of its own: Ctrl-C in a terminal is pytest's, which then stops the server in its own time.

    Raises:
        ServerError: The command cannot be started.
    """
    # Appending lets the log be cut short while the server goes on writing.
    with writing(log), log.open("ab") as output:
        try:
            child = subprocess.Popen(  # noqa: S603 - starts the server that the user asked for
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            raise ServerError(f"{command[0]} cannot be started: {error.strerror}.") from error
    # For the reaper, which must find a server that pytest had no time to enter anywhere else.
    _CHILDREN[child.pid] = child
    try:
        with writing(log.parent):
            log.with_suffix(".pid").write_text(str(child.pid))
    except ServerError:
        stop(child.pid)
        raise
    return child.pid


def disown(child: subprocess.Popen[bytes]) -> None:
    """Let a child outlive this process: Python warns of one that is still running when its handle goes."""
    child.returncode = 0


def leave(process: int) -> None:
    """Let a launched process outlive this one, which another will stop."""
    child = _CHILDREN.pop(process, None)
    if child is not None:
        disown(child)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    child = _CHILDREN.get(process)
    if child is not None:
        return child.poll() is None
    if hasattr(os, "pidfd_open"):
        try:
            handle = os.pidfd_open(process)
        except OSError:
            return False
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return not poll.poll(0)
        finally:
            os.close(handle)
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def ending(process: int) -> str:
    """Return how a child of this process ended; empty while it runs, or if it is another process's child."""
    child = _CHILDREN.get(process)
    code = None if child is None else child.poll()
    return "" if code is None else describe_exit(code)


def describe_exit(code: int) -> str:
    """Return an exit code in words; negative and above 128 it is a signal."""
    number = -code if code < 0 else code - 128
    if number > 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(number).name}"
    return f"exit code {code}"


def stop(process: int) -> None:
    """End a process: politely first, then not; returns when it is gone."""
    for number, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        if not is_alive(process):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        wait_until(lambda: not is_alive(process), patience)
    _CHILDREN.pop(process, None)


def wait_until(condition: Callable[[], bool], seconds: float, *, pause: float = 0.005) -> bool:
    """Ask again and again, a little less often, until a condition holds; return whether it did in time.

    On average, half of the last pause is waited in vain: at each start of a server, for one.
    """
    deadline = time.monotonic() + seconds
    longest = max(pause, _LONGEST_PAUSE)
    while not condition():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, longest)
    return True
