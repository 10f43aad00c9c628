"""A contract's signature beside the one that is served: where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.contract.tensor import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_tfsig.contract.signature import Signature
    from pytest_tfsig.contract.tensor import Dimension, Tensor
    from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec

Side = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference between a contract and what is served.

    Attributes:
        part: ``method``, ``input`` or ``output``.
        name: The tensor's name; empty for the method.
        kind: ``method``, ``missing`` (not served), ``unexpected`` (not in the contract), ``dtype`` or ``shape``.
        expected: What the contract states, as text.
        actual: What is served, as text.
        message: One sentence.
    """

    part: Literal["method", "input", "output"]
    name: str
    kind: Literal["method", "missing", "unexpected", "dtype", "shape"]
    expected: str
    actual: str
    message: str


def compare(signature: Signature, served: SignatureSpec) -> list[Mismatch]:
    """Return how a served signature differs from its contract; empty where it keeps it.

    Shapes are judged by what callers may rely on. An input must take every size that the contract allows: a fixed
    size where the contract has a name or ``?`` is a difference. An output must not contradict the contract: an
    unknown size is none, because the answers themselves are checked. A named dimension is one size wherever it is.

    Args:
        signature: The contract, completed by the model's signature.
        served: The signature of the server's metadata.
    """
    found: list[Mismatch] = []
    if signature.method != served.method:
        message = f"the method is {served.method}, but the contract states {signature.method}."
        found.append(Mismatch("method", "", "method", signature.method, served.method, message))
    found.extend(_compare_side("input", signature, signature.inputs, served.inputs, served.defaults))
    found.extend(_compare_side("output", signature, signature.outputs, served.outputs, frozenset()))
    return found


def _compare_side(
    side: Side,
    signature: Signature,
    stated: Mapping[str, Tensor],
    served: Mapping[str, TensorSpec],
    optional: frozenset[str],
) -> Iterator[Mismatch]:
    for name, tensor in stated.items():
        if name not in served:
            message = f'there is no {side} "{name}"; {suggestion(name, served)}'
            yield Mismatch(side, name, "missing", tensor_text(tensor), "nothing", message)
        else:
            yield from _compare_tensor(side, signature, tensor, served[name])
    for name, spec in served.items():
        if name not in stated and name not in optional:
            message = f'the {side} "{name}" is served, but the contract does not state it.'
            yield Mismatch(side, name, "unexpected", "nothing", tensor_text(spec), message)


def _compare_tensor(side: Side, signature: Signature, tensor: Tensor, spec: TensorSpec) -> Iterator[Mismatch]:
    if tensor.dtype is not None and tensor.dtype != spec.dtype:
        message = f'the {side} "{spec.name}" is {spec.dtype}, but the contract states {tensor.dtype}.'
        yield Mismatch(side, spec.name, "dtype", tensor.dtype, spec.dtype, message)
    why = _shape_difference(side, signature, tensor.shape, spec.shape)
    if why is not None:
        expected, actual = shape_text(tensor.shape), shape_text(spec.shape)
        message = f'the {side} "{spec.name}" has the shape {actual}, but the contract states {expected}: {why}.'
        yield Mismatch(side, spec.name, "shape", expected, actual, message)


def _shape_difference(
    side: Side, signature: Signature, stated: Sequence[Dimension] | None, served: Sequence[int | None] | None
) -> str | None:
    """Return why a served shape breaks a stated one, or None where it does not."""
    if stated is None or served is None:
        return None
    if len(stated) != len(served):
        return f"{len(served)} dimensions, not {len(stated)}"
    for axis, (size, fixed) in enumerate(zip(stated, served, strict=True)):
        if fixed is None or size == fixed:
            continue
        if isinstance(size, int):
            return f"dimension {axis} is {fixed}, not {size}"
        if isinstance(size, str) and signature.dims.get(size) != (fixed, fixed):
            return f'dimension {axis} is always {fixed}, but "{size}" may vary'
        if size is None and side == "input":
            return f"dimension {axis} takes {fixed} only"
    return None


def tensor_text(tensor: Tensor | TensorSpec) -> str:
    """Write a tensor's dtype and shape for people: ``float32 [batch, 8]``."""
    return f"{tensor.dtype or 'any dtype'} {shape_text(tensor.shape)}"


def side_by_side(signature: Signature, served: SignatureSpec) -> str:
    """Write contract and served signature as an aligned table, with ``!`` before each line that differs."""
    differing = {(mismatch.part, mismatch.name) for mismatch in compare(signature, served)}
    rows = [(("method", "") in differing, "method", signature.method, served.method)]
    sides: tuple[tuple[Side, Mapping[str, Tensor], Mapping[str, TensorSpec]], ...] = (
        ("input", signature.inputs, served.inputs),
        ("output", signature.outputs, served.outputs),
    )
    for side, stated, there in sides:
        for name in dict.fromkeys((*stated, *there)):
            left = tensor_text(stated[name]) if name in stated else "-"
            right = tensor_text(there[name]) if name in there else "-"
            rows.append(((side, name) in differing, f"{side} {name}", left, right))
    table = [(False, "", "contract", "served"), *rows]
    names = max(len(what) for _, what, _, _ in table)
    lefts = max(len(left) for _, _, left, _ in table)
    return "\n".join(
        f"{'! ' if differs else '  '}{what:<{names}}  {left:<{lefts}}  {right}".rstrip()
        for differs, what, left, right in table
    )
