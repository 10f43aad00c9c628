"""What a test may have left running."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pytest_tfsig.serving import engine


def processes_with(text: str, where: Literal["cmdline", "environ"] = "cmdline") -> list[int]:
    """Return the processes whose command line or environment has a text in it."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{where}"):
        try:
            words = path.read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        if text.encode() in words:
            found.append(int(path.parent.name))
    return found


def containers_of(session: str | None = None) -> list[Any]:
    """Return the containers of a session, or all that the engine holds."""
    client = engine.connect()
    try:
        filters = {"label": f"{engine.LABEL}={session}"} if session is not None else {}
        return client.containers.list(all=True, filters=filters, ignore_removed=True)
    finally:
        client.close()
