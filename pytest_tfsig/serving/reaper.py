"""The reaper: a small process that waits for pytest's end and then removes what pytest could not.

Killed with SIGKILL, or by the kernel for want of memory, pytest cleans up nothing. The reaper is a process apart that
sees its end, whatever the reason, ends the server and deletes the session folder. Run as
a script, `reaper.py FOLDER OWNER LABEL WHOLE`, it imports nothing of the package until it has containers to remove.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["Reaper", "left_to_it", "main", "start"]

_LOOK_SECONDS = 1.0
_LOG_LIMIT = 256 * 1024 * 1024
# How long a container may still appear that the engine was asked for just before the owner ended.
_LATE_SECONDS = 3.0
# How long an engine that does not answer may take to come back and be rid of what it holds of ours.
_AWAY_SECONDS = 600.0


class Reaper:
    """The handle of a reaper process."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def dismiss(self) -> None:
        """End it: everything has been cleaned up."""
        self._child.kill()
        self._child.wait()

    def leave(self) -> None:
        """Let it outlive this process: the one that it watches is another."""
        from pytest_tfsig.serving.process import disown

        disown(self._child)


def start(folder: Path, owner: int, label: str = "", *, whole: Path | None = None) -> Reaper:
    """Start a reaper.

    Args:
        folder: The session folder, which it deletes at the owner's end.
        owner: The process to watch.
        label: The value of the label that the session's containers carry; empty: there are none.
        whole: A folder around the session folder that is deleted with it.
    """
    return Reaper(
        subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-P", __file__, str(folder), str(owner), label, str(whole or folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


def main(arguments: list[str]) -> None:
    """Wait for the owner's end, then clean up."""
    folder, owner, label, whole = Path(arguments[0]), int(arguments[1]), arguments[2], Path(arguments[3])
    # A polite request to a whole process group is not for the reaper: it ends when there is nothing left to reap.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        _wait(owner, folder)
    if folder.is_dir():
        _end_process(folder)
        answered = True
        if label and (folder / "asked").exists():
            answered = _remove_containers(label)
        shutil.rmtree(whole, ignore_errors=True)
        if not answered:
            _await_engine(label)


def left_to_it(label: str) -> str:
    """Return what becomes of the containers of a session whose engine does not answer at its end, as a sentence."""
    return (
        f"What it holds of this run is removed once it answers, for {_AWAY_SECONDS / 60:g} minutes; later remove it "
        f"with: docker rm -f $(docker ps -aq --filter label=org.pytest-tfsig.session={label})"
    )


def _wait(owner: int, folder: Path) -> None:
    if hasattr(os, "pidfd_open"):
        poll = select.poll()
        poll.register(os.pidfd_open(owner), select.POLLIN)
        while folder.is_dir() and not poll.poll(_LOOK_SECONDS * 1000):
            _keep_short(folder / "server.log")
        return
    while folder.is_dir():
        os.kill(owner, 0)
        _keep_short(folder / "server.log")
        time.sleep(_LOOK_SECONDS)


def _keep_short(log: Path) -> None:
    # A server that floods its log must not fill the disk; it appends, so the file can be emptied below it.
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_LIMIT:
            os.truncate(log, 0)


def _end_process(folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((folder / "server.pid").read_text()), signal.SIGKILL)


def _remove_containers(label: str) -> bool:
    """Remove a session's containers, also such as appear late, and return whether the engine answered in the end."""
    answered = False
    deadline = time.monotonic() + _LATE_SECONDS
    while time.monotonic() < deadline:
        answered = _removed(label)
        time.sleep(0.2)
    return answered


def _await_engine(label: str) -> None:
    deadline = time.monotonic() + _AWAY_SECONDS
    while not _removed(label) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _removed(label: str) -> bool:
    from pytest_tfsig.serving.engine import remove_labelled

    try:
        remove_labelled(label)
    except Exception:  # noqa: BLE001 - whatever an engine that comes back says, it is asked again
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
