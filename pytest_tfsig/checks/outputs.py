"""outputs: every drawn input is answered with exactly the declared outputs, dtypes and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract import shape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Observation, Subject
    from pytest_tfsig.contract import Signature, Tensor


@register(
    "outputs",
    holds_when="every drawn input is answered with exactly the declared outputs, dtypes and shapes",
    inspects=True,
)
def outputs(subject: Subject, observation: Observation) -> None:
    """Compares one answer with the contract; named dimensions must agree across inputs and outputs."""
    signature = subject.signature
    if observation.error is not None and observation.timed_out:
        raise Violation(
            f"an input that the contract allows is not answered within {subject.settings.timeout:g} s",
            expected="an answer",
            actual=f"{observation.error.code}: {observation.error.message}",
            advice="A loop that this input never lets end, or a model that is too slow for it: run it alone. If it is "
            "only slow, allow more with --tfsig-request-timeout.",
        )
    if observation.error is not None:
        raise Violation(
            "an input that the contract allows is answered by what cannot be read"
            if observation.error.unreadable
            else "the server refuses an input that the contract allows",
            expected="an answer",
            actual=f"{observation.error.code}: {observation.error.message}",
            advice=_size_advice(signature.inputs, observation.inputs),
        )
    _same_names(signature, observation.outputs)
    sizes = dimension_sizes(signature.inputs, observation.inputs)
    for name, tensor in signature.outputs.items():
        if name in observation.outputs:
            _as_declared(name, tensor, observation.outputs[name], sizes)


def _same_names(signature: Signature, answered: Mapping[str, NDArray[Any]]) -> None:
    declared = set(signature.outputs)
    if signature.method != "predict":  # classify answers classes and scores, stated or not
        declared &= set(answered)
    if declared != set(answered):
        raise Violation(
            "the answer has other outputs than the contract",
            expected=", ".join(sorted(declared)),
            actual=", ".join(sorted(answered)) or "none",
        )


def dimension_sizes(declared: Mapping[str, Tensor], arrays: Mapping[str, Any]) -> dict[str, int]:
    """Returns the size that each named dimension of the inputs has in one request."""
    sizes: dict[str, int] = {}
    for name, tensor in declared.items():
        value = arrays.get(name)
        if tensor.shape is not None and isinstance(value, np.ndarray) and value.ndim == len(tensor.shape):
            sizes |= {dim: size for dim, size in zip(tensor.shape, value.shape, strict=True) if isinstance(dim, str)}
    if "examples" in arrays:
        leading = {tensor.shape[0] for tensor in declared.values() if tensor.shape}
        sizes |= {dim: len(arrays["examples"]) for dim in leading if isinstance(dim, str)}
    return sizes


def _as_declared(name: str, tensor: Tensor, array: NDArray[Any], sizes: dict[str, int]) -> None:
    dtype = tensors.dtype(array.dtype).name
    if tensor.dtype is not None and dtype != tensor.dtype:
        raise Violation(f"output {name!r} has another dtype than declared", expected=tensor.dtype, actual=dtype)
    if tensor.shape is None:
        return
    expected = tuple(sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in tensor.shape)
    fits = len(expected) == array.ndim and all(
        want is None or isinstance(want, str) or want == got for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        declared = shape_text(tensor.shape)
        here = f", here {shape_text(expected)}" if shape_text(expected) != declared else ""
        raise Violation(
            f"output {name!r} has another shape than declared",
            expected=f"{declared}{here}",
            actual=shape_text(array.shape),
            advice=_shape_advice(expected, array.shape),
        )
    sizes |= {
        dim: got
        for dim, got in zip(tensor.shape, array.shape, strict=True)
        if isinstance(dim, str) and dim not in sizes
    }


def _size_advice(declared: Mapping[str, Tensor], arrays: Mapping[str, Any]) -> str:
    """Returns what to do about inputs that the contract lets differ in length, where they did."""
    free: dict[int, dict[str, int]] = {}
    for name, tensor in declared.items():
        value = arrays.get(name)
        if tensor.shape is not None and isinstance(value, np.ndarray) and value.ndim == len(tensor.shape):
            for axis, size in enumerate(tensor.shape):
                if size is None:
                    free.setdefault(axis, {})[name] = value.shape[axis]
    for axis, sizes in free.items():
        if len(set(sizes.values())) > 1:
            inputs = " and ".join(f"{name!r} ({size})" for name, size in sizes.items())
            return (
                f"The contract lets axis {axis} of {inputs} differ, and here it does. If callers send them equal, "
                'write one name for that axis in each shape, such as ["batch", "time"].'
            )
    return ""


def _shape_advice(expected: tuple[Any, ...], actual: tuple[int, ...]) -> str:
    ones = sum(size == 1 for size in expected)
    if len(actual) < len(expected) <= len(actual) + ones:
        return (
            "A dimension of size 1 was dropped: tf.squeeze without axis, or x[0], also removes a batch of one. Name "
            "the axis to squeeze, or keep the dimension."
        )
    if len(actual) == len(expected) and sorted(map(str, actual)) == sorted(map(str, expected)):
        return "The sizes are there in another order: look for a transpose or a wrong axis."
    return ""
