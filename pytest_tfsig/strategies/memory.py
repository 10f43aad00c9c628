"""Inputs that failed, kept between runs so that they are tried first."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import TensorError

if TYPE_CHECKING:
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.strategies.signatures import Arrays

__all__ = ["Memory"]

_MOST: Final = 8


class Memory:
    """A folder with the last inputs that failed for a signature, each a serialized PredictRequest.

    What failed under another statement of the inputs is not recalled: it might not be allowed any more.

    Args:
        folder: Made when the first input is kept; None: nothing is kept.
        signature: Whose inputs they are.
    """

    __slots__ = ("_folder", "_names")

    def __init__(self, folder: Path | None, signature: Signature) -> None:
        self._names = tuple(signature.inputs)
        stated = repr((signature.name, sorted(signature.inputs.items()), sorted(signature.dims.items())))
        self._folder = None if folder is None else Path(folder) / hashlib.sha256(stated.encode()).hexdigest()[:16]

    def recall(self) -> list[Arrays]:
        """Return what is kept, the latest first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = [_read(path) for path in self._newest_first()]
        return [arrays for arrays in found if arrays is not None and set(arrays) == set(self._names)]

    def keep(self, arrays: Arrays) -> None:
        """Keep ``arrays``, and drop the oldest beyond `_MOST`. A folder that cannot be written keeps nothing."""
        if self._folder is None:
            return
        content = _written(arrays)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Written aside and moved, because another worker may read at the same time.
            handle, aside = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(aside).replace(self._folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pb")
            for path in self._newest_first()[_MOST:]:
                path.unlink(missing_ok=True)
        except OSError:
            return

    def _newest_first(self) -> list[Path]:
        if self._folder is None:
            return []
        return sorted(self._folder.glob("*.pb"), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _written(arrays: Arrays) -> bytes:
    request = protos.PredictRequest()
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(tensors.to_proto(array))
    return bytes(request.SerializeToString(deterministic=True))


def _read(path: Path) -> Arrays | None:
    """Return the arrays of a file, None for one that is damaged: it is only a memory."""
    try:
        request: Any = protos.PredictRequest.FromString(path.read_bytes())
        return {name: np.array(tensors.from_proto(proto)) for name, proto in request.inputs.items()}
    except (OSError, TensorError, ValueError):
        return None
    except Exception as error:
        # protobuf's DecodeError is no ValueError, and naming it would tie this module to protobuf.
        if type(error).__name__ == "DecodeError":
            return None
        raise
