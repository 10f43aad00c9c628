"""Values that are wrong: numbers and classes that a training, an export or a cast gets wrong."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from pytest_tfsig.checks.tolerances import widened
from pytest_tfsig.mutations.mutation import Call, Circumstances, Mutation, of_array, row_count
from pytest_tfsig.savedmodel.dtypes import FLOAT_DTYPES, INTEGER_RANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.mutations.mutation import Inputs, Meddle, Outputs

_SCALE = 0.99
_EVERY, _FIRST = 1000, 100
"""Of a thousand rows one is NaN; the first comes early, so that a run of a hundred inputs meets one."""
_FLOATS = "an output of floating-point numbers"


def _floats(circumstances: Circumstances) -> tuple[str, ...]:
    return circumstances.outputs(*FLOAT_DTYPES)


def _integers(circumstances: Circumstances) -> tuple[str, ...]:
    return circumstances.outputs(*INTEGER_RANGES)


def _signed(circumstances: Circumstances) -> tuple[str, ...]:
    return circumstances.outputs(*FLOAT_DTYPES, *(name for name, (low, _) in INTEGER_RANGES.items() if low < 0))


def _with_classes(circumstances: Circumstances) -> tuple[str, ...]:
    """Returns the outputs that have several places in a row."""
    outputs = circumstances.signature.outputs
    return tuple(
        name
        for name in circumstances.outputs(*FLOAT_DTYPES, *INTEGER_RANGES, "string")
        if (shape := outputs[name].shape) is None or (len(shape) > 1 and shape[-1] != 1)
    )


def _square(circumstances: Circumstances) -> tuple[str, ...]:
    outputs = circumstances.signature.outputs
    return tuple(
        name
        for name in circumstances.outputs(*FLOAT_DTYPES, *INTEGER_RANGES, "bool", "string")
        if (shape := outputs[name].shape) is not None and len(shape) > 1 and _may_be_equal(*shape[-2:])
    )


def _may_be_equal(one: Any, other: Any) -> bool:
    return 1 not in {one, other} and (one == other or not (isinstance(one, int) and isinstance(other, int)))


def _within_one(circumstances: Circumstances) -> tuple[str, ...]:
    """Returns the outputs that look like what a sigmoid or softmax answers."""
    return tuple(
        name
        for name in _floats(circumstances)
        if (seen := circumstances.seen.get(name)) is not None and 0 <= seen.low < seen.high <= 1
    )


def _permuted(array: NDArray[Any], _: Call) -> NDArray[Any]:
    return np.roll(array, 1, axis=-1) if array.ndim > 1 else array


def _scaled(array: NDArray[Any], _: Call) -> NDArray[Any]:
    return np.asarray(widened(array) * _SCALE, array.dtype)


def _negated(array: NDArray[Any], _: Call) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(np.negative(array))


def _counted_from_one(array: NDArray[Any], _: Call) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(array + array.dtype.type(1))


def _quantized(array: NDArray[Any], _: Call) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return array.astype(np.float32).astype(ml_dtypes.bfloat16).astype(array.dtype)


def _transposed(array: NDArray[Any], _: Call) -> NDArray[Any]:
    is_square = array.ndim > 1 and array.shape[-1] == array.shape[-2]
    return np.swapaxes(array, -1, -2) if is_square else array


def _raw(array: NDArray[Any], _: Call) -> NDArray[Any]:
    """Returns what a sigmoid would have been given."""
    wide = np.clip(widened(array), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(wide / (1 - wide)), array.dtype)


def _clipped(circumstances: Circumstances, output: str) -> Meddle:
    """Cuts off a quarter of the range that was seen, on either side."""
    seen = circumstances.seen[output]
    margin = (seen.high - seen.low) / 4

    def clip(array: NDArray[Any], _: Call) -> NDArray[Any]:
        return np.asarray(np.clip(widened(array), seen.low + margin, seen.high - margin), array.dtype)

    return of_array(clip)(circumstances, output)


def _varied(circumstances: Circumstances) -> tuple[str, ...]:
    return tuple(
        name
        for name in _floats(circumstances)
        if (seen := circumstances.seen.get(name)) is not None and seen.low < seen.high
    )


def _noisy(circumstances: Circumstances, output: str) -> Meddle:
    rng = np.random.default_rng(0)

    def disturb(array: NDArray[Any], _: Call) -> NDArray[Any]:
        factor = 1 + rng.uniform(-0.1, 0.1, array.shape)
        return np.asarray(widened(array) * factor).astype(array.dtype)

    return of_array(disturb)(circumstances, output)


def _with_nan(circumstances: Circumstances, output: str) -> Meddle:
    """Counts rows as they are met for the first time: a row that is NaN stays so, as a model's would."""
    numbers: dict[bytes, int] = {}

    def meddle(call: Call) -> Outputs:
        answer = dict(call.proceed())
        if output not in answer or not answer[output].size:
            return answer
        count = row_count(call.inputs)
        is_batched = circumstances.batch is not None and answer[output].shape[:1] == (count,)
        keys = _keys(call.inputs, count if is_batched and count is not None else None)
        hit = [row for row, key in enumerate(keys) if numbers.setdefault(key, len(numbers)) % _EVERY == _FIRST - 1]
        if hit:
            changed = answer[output].copy()
            for row in hit:
                changed.reshape(len(keys), -1)[row, :1] = np.nan
            answer[output] = changed
        return answer

    return meddle


def _keys(inputs: Inputs, rows: int | None) -> list[bytes]:
    """Returns a digest of each row of a request; of the whole request where it has none."""
    if rows is None:
        return [_digest(list(inputs.values()))]
    return [_digest([value[row] for value in inputs.values()]) for row in range(rows)]


def _digest(parts: Sequence[Any]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.digest()


MUTATIONS = (
    Mutation(
        "classes_permuted",
        "the classes of output {output!r} stand one place further on",
        "an output with several values in a row",
        _with_classes,
        of_array(_permuted),
        ("values", "relations", "examples", "drift"),
        constant=True,
    ),
    Mutation(
        "scaled",
        "output {output!r} is 1 % too small",
        _FLOATS,
        _floats,
        of_array(_scaled),
        ("values", "examples", "drift"),
        constant=True,
    ),
    Mutation(
        "nan_row", "one row in a thousand of output {output!r} has a NaN", _FLOATS, _floats, _with_nan, ("finite",)
    ),
    Mutation(
        "sign_flipped",
        "output {output!r} has the wrong sign",
        "an output of numbers with a sign",
        _signed,
        of_array(_negated),
        ("values", "examples", "relations"),
        constant=True,
    ),
    Mutation(
        "clipped",
        "output {output!r} is clipped: its smallest and largest values are cut off",
        "an output of floating-point numbers that are not all the same",
        _varied,
        _clipped,
        ("values", "examples", "drift"),
        constant=True,
    ),
    Mutation(
        "activation_lost",
        "output {output!r} is answered before its sigmoid or softmax",
        "an output of floating-point numbers from 0 to 1",
        _within_one,
        of_array(_raw),
        ("values", "examples"),
        constant=True,
    ),
    Mutation(
        "quantized",
        "output {output!r} is computed in bfloat16, with three significant digits",
        _FLOATS,
        _floats,
        of_array(_quantized),
        ("values", "examples", "drift"),
        constant=True,
    ),
    Mutation(
        "noisy",
        "output {output!r} is off by up to a tenth, each time otherwise",
        _FLOATS,
        _floats,
        _noisy,
        ("deterministic",),
    ),
    Mutation(
        "counted_from_one",
        "output {output!r} is one too large",
        "an output of integers",
        _integers,
        of_array(_counted_from_one),
        ("values", "relations", "examples"),
        constant=True,
    ),
    Mutation(
        "transposed",
        "the last two axes of output {output!r} change places where they are equally long",
        "an output whose last two axes can be equally long",
        _square,
        of_array(_transposed),
        ("batch_invariant", "values", "examples"),
    ),
)
