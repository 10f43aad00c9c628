"""Files of recorded requests: PredictionLogs in TFRecords, and arrays that numpy saved."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError

from pytest_tfsig import protos, records
from pytest_tfsig.errors import RecordError, UsageError
from pytest_tfsig.recordings.exchange import Exchange

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

__all__ = ["read", "read_arrays", "write"]


def read(path: str | os.PathLike[str]) -> list[Exchange]:
    """Returns every exchange of a TFRecord file of PredictionLogs: our recordings, warmup files, request logs.

    Raises:
        RecordError: The file cannot be read, is damaged or cut short, or a record is no PredictionLog that can be
            sent again; the message says which.
    """
    return list(_exchanges(Path(path)))


def _exchanges(file: Path) -> Iterator[Exchange]:
    begun = 0
    try:
        for data in records.read(file):
            begun += 1
            yield Exchange.of_log(protos.PredictionLog.FromString(data))
    except OSError as error:
        raise RecordError(file, f"cannot be read: {error.strerror}.") from None
    except DecodeError as error:
        raise RecordError(file, f"record {begun - 1} is no PredictionLog: {error}.") from None
    except UsageError as error:
        raise RecordError(file, f"record {begun - 1} cannot be replayed: {error}.") from None
    except RecordError as error:
        raise RecordError(
            file, f"{error.reason}: {begun} intact records come before it. Record the file anew, or restore it."
        ) from None


def write(path: str | os.PathLike[str], exchanges: Iterable[Exchange]) -> None:
    """Writes exchanges as PredictionLogs; an earlier file is replaced only by a complete one.

    Raises:
        RecordError: The file cannot be written.
    """
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The same bytes for the same exchanges, so that a recording is changed in version control only by a change.
        records.write(file, (exchange.log().SerializeToString(deterministic=True) for exchange in exchanges))
    except OSError as error:
        raise RecordError(file, f"cannot be written: {error.strerror}.") from None


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns one request's arrays by input name, as `numpy.savez` saved them.

    Raises:
        RecordError: The file is no .npz file, or holds Python objects, which are never unpickled.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            return {name: saved[name] for name in saved.files}
    except (ValueError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(file, f"no arrays can be read from it: {error}.") from None
    except OSError as error:
        raise RecordError(file, f"cannot be read: {error.strerror or error}.") from None
