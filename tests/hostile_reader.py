"""Reads hostile models and contracts in a process whose memory and time are bounded; run as a script.

`python -m tests.hostile_reader KIND SOURCE FOLDER FIRST LAST`: prints one line for each seed that ended in anything
but an answer or an error of ours.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
import traceback
from pathlib import Path

from pytest_tfsig.errors import TfsigError
from tests.hostile import damaged_bytes, damaged_model

# What reading one damaged file may take: far more than it ever should, so that only a runaway meets it.
SECONDS = 20
BYTES = 3 * 2**30


def read_model(source: Path, target: Path, seed: int) -> None:
    from pytest_tfsig import savedmodel
    from pytest_tfsig.cli import main
    from pytest_tfsig.contract import dumps, infer

    damaged_model(source, target, seed)
    with contextlib.suppress(TfsigError):
        savedmodel.digest(target)
    with contextlib.suppress(TfsigError):
        dumps(infer(savedmodel.read(target)))
    for command in ("show", "init"):
        code = main([command, str(target)])
        assert code in {0, 1, 2}, f"tfsig {command} ended with {code}"


def read_contract(source: Path, target: Path, seed: int) -> None:
    from pytest_tfsig.contract import load

    target.mkdir()
    file = target / "damaged.tfsig.toml"
    file.write_bytes(damaged_bytes(source.read_bytes(), seed))
    with contextlib.suppress(TfsigError):
        load(file)


def read_recording(source: Path, target: Path, seed: int) -> None:
    from pytest_tfsig.recordings import read

    target.mkdir()
    file = target / "damaged.tfrecord"
    file.write_bytes(damaged_bytes(source.read_bytes(), seed))
    with contextlib.suppress(TfsigError):
        list(read(file))


KINDS = {"model": read_model, "contract": read_contract, "recording": read_recording}


def main(kind: str, source: Path, folder: Path, first: int, last: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    bad = 0
    for seed in range(first, last):
        target = folder / str(seed)
        out, err = io.StringIO(), io.StringIO()
        signal.alarm(SECONDS)  # its default action ends the process: nothing can catch it
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                KINDS[kind](source, target, seed)
        except BaseException:  # noqa: BLE001 - whatever gets out is what is looked for
            bad += 1
            sys.stdout.write(f"{kind} seed {seed}: {traceback.format_exc()}\n")
        finally:
            signal.alarm(0)
            for path in target.rglob("*") if target.is_dir() else ():
                if not path.is_symlink() and path.is_file() and not os.access(path, os.R_OK):
                    path.chmod(0o600)
            shutil.rmtree(target, ignore_errors=True)
    sys.stdout.write(f"read {last - first}, {bad} bad\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
