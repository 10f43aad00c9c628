"""warmup: a warmup file, where there is one, parses, names signatures that exist, fits them and replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from pytest_tfsig import protos, records, tensors
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.contract import shape_text
from pytest_tfsig.errors import RecordError, TensorError
from pytest_tfsig.model_server.warmup import FILE, MOST_RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Tensor
    from pytest_tfsig.savedmodel import SignatureSpec

_REPLAYS = {"predict_log": "Predict", "classify_log": "Classify", "regress_log": "Regress"}
_REPLAYS["multi_inference_log"] = "MultiInference"
_DEFAULT = "serving_default"
_WRITE_AGAIN = (
    "Write the file again with `tfsig warmup` for this version of the model, or remove it: a server that meets a bad "
    "record does not load the version."
)


@register("warmup", holds_when="a warmup file parses, names signatures that exist and replays", inspects=False)
def warmup(subject: Subject) -> Outcome:
    """Reads the SavedModel's warmup file and sends its records."""
    if subject.saved_model is None:
        return Outcome("skip", "the model's files are on the server, out of sight")
    path = subject.saved_model.path / FILE
    if not path.is_file():
        return Outcome("skip", f"the SavedModel has no {FILE}")
    replayed = here = 0
    for number, log in _logs(path):
        here += _judged(subject, number, log)
        replayed += 1
        if replayed > MOST_RECORDS:
            raise _violation(f"the file has more than {MOST_RECORDS} records", f"at most {MOST_RECORDS}", "more")
    return Outcome("pass", f"{replayed} records replay, {here} of them for {subject.signature.name}", replayed)


def _logs(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields the number and the log of each record."""
    try:
        for number, data in enumerate(records.read(path)):
            try:
                log = protos.PredictionLog.FromString(data)
            except DecodeError as error:
                raise _violation(f"warmup record {number} is no PredictionLog", "a PredictionLog", str(error)) from None
            yield number, log
    except RecordError as error:
        expected = "records with their lengths and checksums"
        raise _violation("the warmup file is no intact TFRecord file", expected, error.reason) from None
    except OSError as error:
        raise _violation("the warmup file cannot be read", "a readable file", str(error)) from None


def _judged(subject: Subject, number: int, log: Any) -> bool:
    """Compares one record with the signatures and replays it; says whether it is for the subject's own signature."""
    kind = log.WhichOneof("log_type")
    method = _REPLAYS.get(kind or "")
    if method is None:
        raise _violation(
            f"warmup record {number} cannot be replayed",
            f"one of {', '.join(_REPLAYS)}",
            kind or "an empty PredictionLog",
        )
    request = getattr(log, kind).request
    specs = [task.model_spec for task in request.tasks] if method == "MultiInference" else [request.model_spec]
    names = [spec.signature_name or _DEFAULT for spec in specs]
    served = subject.model.signatures
    for name in names:
        if name not in served:
            raise _violation(
                f"warmup record {number} names signature {name!r}, which the model does not have",
                ", ".join(served),
                name,
            )
    if method == "Predict":
        _fits(subject, number, request, served[names[0]])
    for spec in specs:
        # A recorded request may name the model and the version that it was recorded with.
        signature = spec.signature_name
        spec.Clear()
        spec.name, spec.signature_name = subject.model.name, signature
        if subject.model.version is not None:
            spec.version.value = subject.model.version
    _replay(subject, number, method, request)
    return subject.signature.name in names


def _fits(subject: Subject, number: int, request: Any, served: SignatureSpec) -> None:
    """Compares a Predict request's inputs with what the signature, or its contract, declares."""
    sent = set(request.inputs)
    unknown, missing = sent - set(served.inputs), set(served.inputs) - sent - served.defaults
    if unknown or missing:
        raise _violation(
            f"the inputs of warmup record {number} are not those of signature {served.name!r}",
            ", ".join(sorted(served.inputs)),
            ", ".join(sorted(sent)) or "none",
        )
    stated: Mapping[str, Tensor] = subject.signature.inputs if served.name == subject.signature.name else {}
    for name in sorted(sent):
        array = _array(number, name, request.inputs[name])
        declared = served.inputs[name]
        dtype = tensors.dtype(array.dtype).name
        if dtype != declared.dtype:
            sentence = f"input {name!r} of warmup record {number} has another dtype than declared"
            raise _violation(sentence, declared.dtype, dtype)
        shapes = [declared.shape, stated[name].shape if name in stated else None]
        for shape in shapes:
            if shape is not None and not _is_shaped(array.shape, shape):
                sentence = f"input {name!r} of warmup record {number} has another shape than declared"
                raise _violation(sentence, shape_text(shape), shape_text(array.shape))


def _array(number: int, name: str, proto: Any) -> Any:
    try:
        return tensors.from_proto(proto)
    except TensorError as error:
        sentence = f"input {name!r} of warmup record {number} is no tensor"
        raise _violation(sentence, "a TensorProto", str(error)) from None


def _is_shaped(shape: tuple[int, ...], declared: Any) -> bool:
    return len(shape) == len(declared) and all(
        not isinstance(size, int) or size == actual for actual, size in zip(shape, declared, strict=True)
    )


def _replay(subject: Subject, number: int, method: str, request: Any) -> None:
    try:
        subject.model.grpc.call(method, request.SerializeToString(), timeout=subject.settings.timeout)
    except ServingError as error:
        raise _violation(
            f"warmup record {number} is refused when it is replayed", "an answer", f"{error.code}: {error.message}"
        ) from error


def _violation(sentence: str, expected: str, actual: str) -> Violation:
    return Violation(sentence, expected=expected, actual=actual, advice=_WRITE_AGAIN)
