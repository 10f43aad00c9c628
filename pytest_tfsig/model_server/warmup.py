"""Warmup: recorded requests replayed on a version before it serves."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, final

from google.protobuf.message import DecodeError

from pytest_tfsig import protos, records
from pytest_tfsig.errors import RecordError
from pytest_tfsig.model_server import classify, metrics, multi_inference, predict, regress, wire
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_tfsig.model_server.servables import Servable

__all__ = ["FILE", "MOST_RECORDS", "warm_up"]

logger = logging.getLogger(__name__)

FILE: Final = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS: Final = 1000

_REPLAYED: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "predict_log": predict.answer,
    "classify_log": classify.classify,
    "regress_log": regress.regress,
    "multi_inference_log": multi_inference.multi_inference,
}


_NEVER_REPLAYED: Final = {5, 7}  # fields of PredictionLog: session_run_log and predict_streamed_log


@final
class _Only:
    """Finds the one servable that is being warmed up, whatever a request names."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable

    def get(self, spec: Any) -> Servable:  # noqa: ARG002 - a recorded request may have been for another model
        self._servable.acquire()
        return self._servable


def warm_up(servable: Servable, directory: Path, iterations: int = 1) -> None:
    """Replay a version's warmup file, if it has one.

    Args:
        servable: The version, loaded.
        directory: Where it was loaded from.
        iterations: How often each record is replayed.

    Raises:
        StatusError: The file is no TFRecord file, a record is no PredictionLog, or its request is refused.
    """
    path = directory / FILE
    if not path.is_file():
        logger.info("No warmup data file found at %s", path)
        return
    logger.info("Starting to read warmup data for model at %s", path)
    started = time.perf_counter()
    try:
        count = _replay(servable, path, iterations)
    except OSError as error:
        raise StatusError(Code.FAILED_PRECONDITION, f"{path}; {error.strerror}") from error
    microseconds = (time.perf_counter() - started) * 1e6
    metrics.WARMUP_LATENCY.observe((str(directory), "OK"), microseconds)
    metrics.WARMUP_RECORDS.add((str(directory), "OK"), count)
    logger.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %s. Elapsed time "
        "(microseconds): %.0f.",
        path,
        count,
        microseconds,
    )


def _replay(servable: Servable, path: Path, iterations: int) -> int:
    count = 0
    try:
        for record in records.read(path):
            log = _parse(record, path)
            for _ in range(iterations):
                _run(servable, log, record)
            count += 1
            _refuse_too_many(count, path)
    except RecordError as error:
        hint = ". Please verify your warmup data is in TFRecord format."
        raise StatusError(Code.DATA_LOSS, error.reason + hint) from error
    return count


def _refuse_too_many(count: int, path: Path) -> None:
    if count > MOST_RECORDS:
        raise StatusError(
            Code.INVALID_ARGUMENT, f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {path}"
        )


def _parse(record: bytes, path: Path) -> Any:
    try:
        return protos.PredictionLog.FromString(record)
    except DecodeError:
        shown = record.decode("utf-8", "replace")
        raise StatusError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record: {shown} from {path}") from None


def _run(servable: Servable, log: Any, record: bytes) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        for number, *_ in wire.fields(memoryview(record)):
            if number in _NEVER_REPLAYED:
                raise StatusError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
        return
    _REPLAYED[kind](_Only(servable), getattr(log, kind).request)
