"""Hostile SavedModels and contracts: damaged copies of sound files, each made by one seed."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INTERESTING = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff\x0f", b"\x80" * 10, b"../", b"/etc/passwd")


def flip_bits(data: bytes, random_: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(random_.randint(1, 8)):
        position = random_.randrange(len(damaged))
        damaged[position] ^= 1 << random_.randrange(8)
    return bytes(damaged)


def truncate(data: bytes, random_: random.Random) -> bytes:
    return data[: random_.randrange(len(data))]


def overwrite(data: bytes, random_: random.Random) -> bytes:
    position = random_.randrange(len(data))
    piece = random_.choice(INTERESTING)
    return data[:position] + piece + data[position + len(piece) :]


def insert(data: bytes, random_: random.Random) -> bytes:
    position = random_.randrange(len(data))
    return data[:position] + random_.choice(INTERESTING) + data[position:]


def cut(data: bytes, random_: random.Random) -> bytes:
    start, end = sorted(random_.randrange(len(data)) for _ in range(2))
    return data[:start] + data[end:]


def repeat(data: bytes, random_: random.Random) -> bytes:
    start, end = sorted(random_.randrange(len(data)) for _ in range(2))
    return data[:end] + data[start:end] * random_.randint(1, 20) + data[end:]


def fill(data: bytes, random_: random.Random) -> bytes:
    return random_.randbytes(random_.randint(0, 2 * len(data)))


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bits,
    flip_bits,
    overwrite,
    insert,
    truncate,
    cut,
    repeat,
    fill,
)


def damaged_bytes(data: bytes, seed: int) -> bytes:
    """Returns a damaged copy of a file's bytes."""
    random_ = random.Random(seed)  # noqa: S311 - repeatable damage
    return random_.choice(DAMAGES)(data or b"\x00", random_)


def damaged_model(source: Path, target: Path, seed: int) -> str:
    """Copies a version directory with one of its files damaged; returns what was done."""
    random_ = random.Random(seed)  # noqa: S311 - repeatable damage
    shutil.copytree(source, target)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    # The graph is where most of the reading happens.
    file = random_.choice([*files, *(path for path in files if path.name == "saved_model.pb")])
    if random_.random() < 0.1:
        return f"{file.relative_to(target)}: {_replaced(file, random_)}"
    file.write_bytes(damaged_bytes(file.read_bytes(), seed))
    return f"{file.relative_to(target)}: damaged"


def _replaced(file: Path, random_: random.Random) -> str:
    """Puts something that is no file, or not this model's, in a file's place."""
    file.unlink()
    what = random_.choice(["link out", "link to itself", "pipe", "directory", "nothing", "unreadable"])
    if what == "link out":
        file.symlink_to("/etc/passwd")
    elif what == "link to itself":
        file.symlink_to(file.name)
    elif what == "pipe":
        os.mkfifo(file)
    elif what == "directory":
        file.mkdir()
    elif what == "unreadable":
        file.touch(mode=0)
    return what
