"""Report files: written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


_PAGE = 4096


def write_whole(folder: Path, name: str, text: str) -> Path:
    r"""Writes a file into a folder, which is made where there is none, and returns its path.

    A reader sees the former file or the new one, never a part of one. Halves of surrogate pairs, which paths may hold,
    are written as `\udc80`: in JSON that is the same character.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    draft = folder / f".{name}.{os.getpid()}"
    try:
        with draft.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())  # or a crash could leave the new name with nothing in it
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def prove_writable(folder: Path) -> None:
    """Makes the folder of a report before a long run rather than after it.

    Raises:
        UsageError: Nothing can be written there.
    """
    try:
        write_whole(folder, ".writable", " " * _PAGE)  # an empty file fits on a full disk
        (folder / ".writable").unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"--tfsig-report {folder}: reports cannot be written there: {reason}") from None
