"""Forms that callers do not expect: other names, more or fewer outputs, other dtypes, text cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.mutations.mutation import MOST_OUTPUTS, WHOLE, Call, Circumstances, Mutation, of_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.mutations.mutation import Meddle, Outputs

_WIDER = {
    "float16": "float32",
    "bfloat16": "float32",
    "float32": "float64",
    "uint8": "int32",
    "int8": "int32",
    "int16": "int32",
    "int32": "int64",
    "bool": "int32",
}
_NARROWER = {"float64": "float32", "float32": "float16", "int64": "int32", "int32": "int16"}
_NEEDS = "a predict signature"
_STRANGER = "output_0"
"""The name that exports give to an output of which they know none."""


def _each(circumstances: Circumstances) -> tuple[str, ...]:
    return tuple(circumstances.signature.outputs)[:MOST_OUTPUTS] if circumstances.predicts else ()


def _whole(circumstances: Circumstances) -> tuple[str, ...]:
    return (WHOLE,) if circumstances.predicts else ()


def _convertible(table: Mapping[str, str]) -> Any:
    return lambda circumstances: circumstances.outputs(*table) if circumstances.predicts else ()


def _converted(table: Mapping[str, str]) -> Any:
    def convert(array: NDArray[Any], call: Call) -> NDArray[Any]:
        name = tensors.dtype(array.dtype).name
        # JSON has no dtypes: over REST the number is all that arrives.
        if call.transport != "grpc" or name not in table:
            return array
        with np.errstate(all="ignore"):
            return array.astype(tensors.dtype(table[name]).numpy)

    return of_array(convert)


def _renamed(_: Circumstances, output: str) -> Meddle:
    new = _STRANGER if output != _STRANGER else f"{_STRANGER}_1"

    def meddle(call: Call) -> Outputs:
        return {new if name == output else name: array for name, array in call.proceed().items()}

    return meddle


def _dropped(_: Circumstances, output: str) -> Meddle:
    return lambda call: {name: array for name, array in call.proceed().items() if name != output}


def _extended(circumstances: Circumstances, _: str) -> Meddle:
    new = "debug" if "debug" not in circumstances.signature.outputs else "debug_1"

    def meddle(call: Call) -> Outputs:
        answer = call.proceed()
        return {**answer, new: next(iter(answer.values()))} if answer else answer

    return meddle


def _truncated(array: NDArray[Any], _: Call) -> NDArray[Any]:
    cut = np.empty(array.shape, object)
    cut.ravel()[:] = [value[:-1] for value in array.ravel().tolist()]
    return cut


MUTATIONS = (
    Mutation("output_renamed", "output {output!r} has another name", _NEEDS, _each, _renamed, ("outputs",)),
    Mutation("output_dropped", "output {output!r} is missing", _NEEDS, _each, _dropped, ("outputs",)),
    Mutation("output_added", "there is an output that nobody declared", _NEEDS, _whole, _extended, ("outputs",)),
    Mutation(
        "dtype_widened",
        "output {output!r} comes in a wider dtype",
        "a predict signature with an output of a dtype that has a wider one",
        _convertible(_WIDER),
        _converted(_WIDER),
        ("outputs",),
    ),
    Mutation(
        "dtype_narrowed",
        "output {output!r} comes in a narrower dtype",
        "a predict signature with an output of a dtype that has a narrower one",
        _convertible(_NARROWER),
        _converted(_NARROWER),
        ("outputs",),
    ),
    Mutation(
        "text_truncated",
        "the strings of output {output!r} lack their last byte",
        "an output of strings",
        lambda circumstances: circumstances.outputs("string"),
        of_array(_truncated),
        ("values", "examples"),
        constant=True,
    ),
)
