"""Inputs that failed, kept between runs so that they are tried first."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import StrategyError, TensorError

if TYPE_CHECKING:
    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.strategies.signatures import Arrays, Plan

__all__ = ["Memory"]

_MOST: Final = 8


class Memory:
    """A folder with the last inputs that failed for a signature, each a serialized PredictRequest.

    What failed under another statement of the inputs is not recalled: it might not be allowed any more.

    Args:
        folder: Made when the first input is kept; None: nothing is kept.
        ready: The plan of the signature whose inputs they are.
    """

    __slots__ = ("_folder", "_ready")

    def __init__(self, folder: Path | None, ready: Plan) -> None:
        self._ready = ready
        signature = ready.signature
        inputs = [(name, _bounds(tensor)) for name, tensor in sorted(signature.inputs.items())]
        stated = repr((signature.name, inputs, sorted(signature.dims.items())))
        self._folder = None if folder is None else Path(folder) / hashlib.sha256(stated.encode()).hexdigest()[:16]

    def recall(self) -> list[Arrays]:
        """Return what is kept, the latest first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        found = [self._read(path) for path in self._newest_first()]
        return [arrays for arrays in found if arrays is not None]

    def keep(self, arrays: Arrays) -> None:
        """Keep ``arrays``, and drop the oldest beyond `_MOST`. A folder that cannot be written keeps nothing."""
        if self._folder is None:
            return
        content = self._written(arrays)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Written aside and moved, because another worker may read at the same time.
            handle, aside = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(aside).replace(self._folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pb")
            finally:
                Path(aside).unlink(missing_ok=True)
            for path in self._newest_first()[_MOST:]:
                path.unlink(missing_ok=True)
        except OSError:
            return

    def _newest_first(self) -> list[Path]:
        if self._folder is None:
            return []
        return sorted(self._folder.glob("*.pb"), key=_written_at, reverse=True)

    def _written(self, arrays: Arrays) -> bytes:
        request = protos.PredictRequest()
        for name, array in arrays.items():
            request.inputs[name].CopyFrom(tensors.to_proto(self._ready.packed(name, array)))
        return bytes(request.SerializeToString(deterministic=True))

    def _read(self, path: Path) -> Arrays | None:
        """Return the arrays of a file, None for one that is damaged: it is only a memory."""
        try:
            request: Any = protos.PredictRequest.FromString(path.read_bytes())
            inputs = {name: tensors.from_proto(proto) for name, proto in request.inputs.items()}
            return self._ready.unfinished(inputs)
        except (OSError, TensorError, StrategyError, DecodeError):
            return None


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # another worker, which keeps inputs of its own there, has dropped it since
        return 0


def _bounds(tensor: Tensor) -> Tensor:
    """Return what a tensor's statement allows: a vocabulary, which each retraining changes, forbids nothing."""
    features = tensor.features and {name: replace(stated, vocabulary=None) for name, stated in tensor.features.items()}
    return replace(tensor, features=features, vocabulary=None)
