"""How to see a violation again: lines to paste into a shell, and a snippet of Python."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.render import is_large
from pytest_tfsig.checks.violation import Reproduction
from pytest_tfsig.clients.examples import as_examples
from pytest_tfsig.clients.rest_values import array_to_json, encode, example_to_json
from pytest_tfsig.errors import TfsigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_tfsig.checks.subject import Subject

_GRPC, _REST = 8500, 8501
"""TensorFlow Serving's own ports, on which `tfsig serve` listens."""


def reproduction(subject: Subject, inputs: Mapping[str, Any] | None, rows: Sequence[int] = ()) -> Reproduction:
    """Returns how to see again what a check saw.

    Args:
        subject: The served model and its contract.
        inputs: The falsifying inputs; None where no request is involved. Large ones are saved in the settings' folder
            for files, or in a new temporary one where there is none. Of hasty checks, nobody looks at them again.
        rows: As `Violation.rows`: a second request that the snippet of Python sends as well.
    """
    if inputs is None or subject.saved_model is None or subject.settings.hasty:
        return Reproduction(pytest=subject.pytest_line)
    serve = f"tfsig serve {shlex.quote(str(subject.saved_model.path))} --name {shlex.quote(subject.model.name)}"
    if not is_large(inputs):
        return Reproduction(serve, _curl(subject, inputs), _python(subject, inputs, rows), subject.pytest_line)
    try:
        file = _saved(subject.settings.files or Path(tempfile.mkdtemp(prefix="tfsig-inputs-")), inputs)
    except OSError as error:
        lost = f"# The inputs are too large to print, and could not be kept: {error}"
        return Reproduction(serve, "", lost, subject.pytest_line)
    snippet = _python(subject, inputs, rows, loaded=_loaded(file, inputs))
    return Reproduction(serve, "", snippet, subject.pytest_line, str(file))


def _curl(subject: Subject, inputs: Mapping[str, Any]) -> str:
    method = subject.signature.method
    if not inputs:
        return ""  # REST answers for no signature without inputs
    document: dict[str, Any] = {"signature_name": subject.signature.name}
    try:
        if method == "predict":
            document["inputs"] = {
                name: array_to_json(name, _shortest(np.asarray(value))) for name, value in inputs.items()
            }
        else:
            document["examples"] = [
                example_to_json(example) for example in as_examples(inputs["examples"], subject.spec)
            ]
        body = encode(document).decode()
    except TfsigError:
        return ""  # JSON cannot carry these inputs; gRPC can
    url = f"http://localhost:{_REST}/v1/models/{subject.model.name}:{method}"
    return f"curl -d {shlex.quote(body)} {shlex.quote(url)}"


def _python(subject: Subject, inputs: Mapping[str, Any], rows: Sequence[int], loaded: str = "") -> str:
    method = subject.signature.method
    lines = ["import numpy as np", "from pytest_tfsig.clients import GrpcClient"]
    if method != "predict":
        given = repr(inputs["examples"])
    elif loaded:
        given = loaded
    else:
        given = f"{{{', '.join(f'{name!r}: {_literal(np.asarray(value))}' for name, value in inputs.items())}}}"
    if "ml_dtypes." in given:
        lines.insert(0, "import ml_dtypes")
    client = f'GrpcClient("localhost:{_GRPC}")'
    if not rows:
        return "\n".join([*lines, f"print({_call(subject, client, given)})"])
    picked = f"[inputs[row] for row in {list(rows)}]"
    if method == "predict":
        scalars = any(not np.ndim(value) for value in inputs.values())
        value = f"value[{list(rows)}]" + (" if value.ndim else value" if scalars else "")
        picked = f"{{name: {value} for name, value in inputs.items()}}"
    lines += [f"client, inputs = {client}, {given}"]
    return "\n".join([*lines, *(f"print({_call(subject, 'client', sent)})" for sent in ("inputs", picked))])


def _call(subject: Subject, client: str, given: str) -> str:
    method = subject.signature.method
    return f"{client}.{method}({subject.model.name!r}, {given}, signature={subject.signature.name!r})"


def _literal(array: np.ndarray[Any, Any]) -> str:
    if array.dtype == object:
        return f"np.array({array.tolist()!r}, object)"
    module = "ml_dtypes" if array.dtype.kind == "V" else "np"
    name = "bool_" if array.dtype == bool else array.dtype.name
    if array.dtype.kind == "c" and not np.isfinite(array).all():
        # Python writes infj, which it cannot read.
        parts = [f"np.array({_numbers(part)}, np.{part.dtype.name})" for part in (array.real, array.imag)]
        return f"np.stack([{', '.join(parts)}], -1).view(np.{name})[..., 0]"
    shape = f".reshape({array.shape})" if array.size == 0 else ""
    return f"np.array({_numbers(array)}, {module}.{name}){shape}"


def _numbers(array: np.ndarray[Any, Any]) -> str:
    return repr(_shortest(array).tolist()).replace("nan", "np.nan").replace("inf", "np.inf")


def _shortest(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Returns small floats as the float64 of their shortest text: 0.1 rather than 0.10000000149011612."""
    if array.dtype.kind != "V" and array.dtype not in {np.dtype(np.float16), np.dtype(np.float32)}:
        return array
    return np.array([float(str(value)) for value in array.ravel()], np.float64).reshape(array.shape)


def _saved(folder: Path, inputs: Mapping[str, Any]) -> Path:
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(name.encode())
        digest.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"inputs-{digest.hexdigest()[:12]}.npz"
    # np.savez takes the names as its own keywords: it refuses an input called "file", and to older NumPy its own
    # `allow_pickle` is an array of that name.
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array)
    except OSError:
        file.unlink(missing_ok=True)
        raise
    return file


def _loaded(file: Path, inputs: Mapping[str, Any]) -> str:
    """Returns the expression that reads saved inputs: strings are pickled, and NumPy forgets the names of ml_dtypes."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    pickled = ", allow_pickle=True" if any(array.dtype == object for array in arrays.values()) else ""
    loaded = f"dict(np.load({str(file)!r}{pickled}))"
    views = [
        f"{name!r}: saved[{name!r}].view(ml_dtypes.{array.dtype.name})"
        for name, array in arrays.items()
        if array.dtype.kind == "V"
    ]
    return f"(saved := {loaded}) | {{{', '.join(views)}}}" if views else loaded
