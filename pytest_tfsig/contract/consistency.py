"""What makes a contract impossible to keep, whatever the model answers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_tfsig.contract.comparison import compare
from pytest_tfsig.contract.keys import dotted
from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.contract.relations import Argmax, Monotone
from pytest_tfsig.contract.tensor import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_tfsig.contract.relations import Relation
    from pytest_tfsig.contract.signature import Signature
    from pytest_tfsig.contract.tensor import Feature, Tensor
    from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec


def contradictions(signature: Signature, spec: SignatureSpec) -> list[str]:
    """Return what a contract states that this SavedModel's signature rules out, a sentence each; empty where nothing.

    Each sentence starts with the key's path below the signature, such as ``inputs.image: ...``.

    Args:
        signature: The contract, completed by ``spec``.
        spec: The signature as the SavedModel declares it.
    """
    found = []
    for mismatch in compare(signature, spec):
        path = ("method",) if mismatch.part == "method" else (f"{mismatch.part}s", mismatch.name)
        found.append(f"{dotted(path)}: {mismatch.message}")
    found.extend(_dimension_conflicts(signature, spec))
    for name, tensor in signature.inputs.items():
        found.extend(_feature_conflicts(name, tensor, spec))
    for index, relation in enumerate(signature.relations):
        found.extend(f"{dotted(('relations', index))}: {why}" for why in _relation_conflicts(relation, signature))
    return found


def _dimension_conflicts(signature: Signature, spec: SignatureSpec) -> Iterator[str]:
    """Yield where a named dimension has a range for nothing, or two fixed sizes at once."""
    known = signature.dimension_names
    for name in signature.dims:
        if name not in known:
            yield f"{dotted(('dims', name))}: no shape has a dimension of that name; {suggestion(name, known)}"
    fixed: dict[str, dict[int, str]] = {}
    for side, tensors, specs in (
        ("inputs", signature.inputs, spec.inputs),
        ("outputs", signature.outputs, spec.outputs),
    ):
        for key, tensor in tensors.items():
            served = specs[key].shape if key in specs else None
            for size, actual in zip(tensor.shape or (), served or (), strict=False):
                if isinstance(size, str) and actual is not None:
                    fixed.setdefault(size, {}).setdefault(actual, f"{side}.{key}")
    for name, sizes in fixed.items():
        if len(sizes) > 1:
            places = " and ".join(f"{size} in {where}" for size, where in sizes.items())
            yield f'"{name}" is one size wherever it appears, but the SavedModel has {places}.'


def _feature_conflicts(name: str, tensor: Tensor, spec: SignatureSpec) -> Iterator[str]:
    parsed = spec.inputs[name].features if name in spec.inputs else None
    if tensor.features is None or parsed is None:
        return
    for key, feature in tensor.features.items():
        path = dotted(("inputs", name, "features", key))
        if key not in parsed:
            yield f"{path}: the model does not parse this feature; {suggestion(key, parsed)}"
        else:
            yield from (f"{path}: {why}" for why in _feature_differences(feature, parsed[key]))


def _feature_differences(feature: Feature, parsed: FeatureSpec) -> Iterator[str]:
    if feature.dtype != parsed.dtype:
        yield f"the model parses {parsed.dtype}, but the contract states {feature.dtype}."
    # A tf.Example carries a flat list, so [] and [1] are the same to callers.
    if parsed.kind == feature.kind == "fixed" and _count(feature.shape) != _count(parsed.shape):
        stated, own = shape_text(feature.shape), shape_text(parsed.shape)
        yield f"the model parses the shape {own}, but the contract states {stated}."
    if parsed.required and not feature.required:
        yield "the model has no default for it, so callers must send it; state it as fixed and without a default."


def _count(shape: Sequence[int | None] | None) -> int:
    return math.prod(size or 0 for size in shape or ())


def _relation_conflicts(relation: Relation, signature: Signature) -> Iterator[str]:
    for kind, named, known in (
        ("input", relation.inputs, signature.inputs),
        ("output", relation.outputs, signature.outputs),
    ):
        for name in named:
            if name not in known:
                yield f'there is no {kind} "{name}"; {suggestion(name, known)}'
    tensor = _tensor_along_axis(relation, signature)
    axis = getattr(relation, "axis", None)
    if tensor is not None and tensor.shape is not None and axis is not None:
        rank = len(tensor.shape)
        if not -rank <= axis < rank:
            yield f"axis {axis} is not an axis of a tensor with {rank} dimensions."
    if isinstance(relation, Monotone) and relation.input in signature.inputs:
        dtype = signature.inputs[relation.input].dtype
        if dtype in {"string", "bool", "complex64", "complex128"}:
            yield f'the input "{relation.input}" is {dtype}, which has no order to grow in.'


def _tensor_along_axis(relation: Relation, signature: Signature) -> Tensor | None:
    if isinstance(relation, Argmax):
        return signature.outputs.get(relation.of)
    return signature.inputs.get(relation.input)
