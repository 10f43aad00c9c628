"""What a contract leaves open, taken from the SavedModel's own signature."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_tfsig.contract.keys import at
from pytest_tfsig.contract.signature import METHODS, Signature
from pytest_tfsig.contract.tensor import Dimension, Feature, Tensor
from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec

_BATCH = "batch"


def inferred_signature(spec: SignatureSpec) -> Signature:
    """Return the contract that one signature states about itself.

    A leading unknown size becomes the named dimension ``batch`` where every input but scalars has one: it is then one
    size in all of them and in every output that leads with an unknown size. A later size that several inputs of one
    rank leave unknown becomes ``dim_1``, ``dim_2``, ...: token ids and their mask must be equally long, and inputs that
    need not agree lose nothing but variety. Other unknown sizes may be anything.
    """
    if spec.method not in METHODS:
        raise ContractError(f'signature "{spec.name}" has the method "{spec.method}", which nothing serves.')
    batch = _BATCH if _is_batched(spec) else None
    shared = _shared_axes(spec, 1 if batch else 0)
    inputs = {name: _inferred_tensor(tensor, batch, shared) for name, tensor in spec.inputs.items()}
    outputs = {name: _inferred_tensor(tensor, batch, frozenset()) for name, tensor in spec.outputs.items()}
    return Signature(spec.name, inputs, outputs, method=spec.method)


def complete(signature: Signature, spec: SignatureSpec) -> Signature:
    """Return ``signature`` with what it leaves open taken from ``spec``.

    A side with no tensors takes the SavedModel's. A tensor without a dtype takes dtype, and shape unless it states
    one; an input without a shape takes it in any case, because nothing else could be sent. Features of tf.Examples
    that the graph parses are taken where the contract does not state them.

    Raises:
        ContractError: What was taken contradicts what was stated.
    """
    inferred = inferred_signature(spec)
    batch = _stated_batch(signature) or _BATCH
    return replace(
        signature,
        inputs=at(("inputs",), lambda: _completed(signature.inputs, inferred.inputs, batch, _completed_input)),
        outputs=at(("outputs",), lambda: _completed(signature.outputs, inferred.outputs, batch, _completed_tensor)),
        method=spec.method if signature.method == "predict" and not signature.inputs else signature.method,
    )


def _is_batched(spec: SignatureSpec) -> bool:
    shapes = [tensor.shape for tensor in spec.inputs.values() if tensor.shape != ()]
    return bool(shapes) and all(shape is not None and shape[0] is None for shape in shapes)


def _shared_axes(spec: SignatureSpec, first: int) -> frozenset[tuple[int, int]]:
    """Return rank and axis of the unknown sizes, from axis ``first`` on, that more than one input has."""
    axes = Counter(
        (len(tensor.shape), axis)
        for tensor in spec.inputs.values()
        for axis, size in enumerate(tensor.shape or ())
        if tensor.shape and axis >= first and size is None
    )
    return frozenset(axis for axis, inputs in axes.items() if inputs > 1)


def _inferred_tensor(spec: TensorSpec, batch: str | None, shared: frozenset[tuple[int, int]]) -> Tensor:
    features = None
    if spec.features is not None:
        features = {name: inferred_feature(feature) for name, feature in spec.features.items()}
    if spec.shape is None:
        return Tensor(spec.dtype, None, features=features)
    shape: list[Dimension] = list(spec.shape)
    for axis, size in enumerate(spec.shape):
        if size is None and axis == 0 and batch is not None:
            shape[axis] = batch
        elif (len(shape), axis) in shared and size is None:
            shape[axis] = f"dim_{axis}"
    return Tensor(spec.dtype, shape, features=features)


def inferred_feature(spec: FeatureSpec) -> Feature:
    """Return what a contract says of a feature that the graph parses."""
    if spec.shape is None or spec.kind != "fixed":
        sizes = tuple(size for size in spec.shape or () if size is not None)
        return Feature(spec.dtype, sizes or None, kind=spec.kind)
    return Feature(spec.dtype, tuple(size or 0 for size in spec.shape), default=spec.default)


def _stated_batch(signature: Signature) -> str | None:
    """Return the name that every stated tensor gives its first dimension, if it is one name."""
    tensors = (*signature.inputs.values(), *signature.outputs.values())
    leading = {tensor.shape[0] for tensor in tensors if tensor.shape}
    name = leading.pop() if len(leading) == 1 else None
    return name if isinstance(name, str) else None


def _completed(
    stated: Mapping[str, Tensor],
    inferred: Mapping[str, Tensor],
    batch: str,
    fill: Callable[[Tensor, Tensor | None], Tensor],
) -> dict[str, Tensor]:
    renamed = {name: _rename_batch(tensor, batch) for name, tensor in inferred.items()}
    if not stated:
        return renamed
    return {name: at((name,), partial(fill, tensor, renamed.get(name))) for name, tensor in stated.items()}


def _rename_batch(tensor: Tensor, batch: str) -> Tensor:
    if not tensor.shape or tensor.shape[0] != _BATCH:
        return tensor
    return replace(tensor, shape=(batch, *tensor.shape[1:]))


def _completed_input(stated: Tensor, own: Tensor | None) -> Tensor:
    completed = _completed_tensor(stated, own)
    if own is None:
        return completed
    # Nothing but the model's own shape could be sent where the contract leaves the rank open.
    shape = own.shape if completed.shape is None else completed.shape
    is_plain = completed.encoding is None and completed.image is None and completed.values is None
    features = completed.features
    if own.features is not None and is_plain and completed.dtype == "string":
        features = {**own.features, **(features or {})}
    return replace(completed, shape=shape, features=features)


def _completed_tensor(stated: Tensor, own: Tensor | None) -> Tensor:
    if stated.dtype is not None:
        return stated
    if own is None:
        raise ContractError("it states no dtype and the SavedModel has no such tensor to take it from; state one.")
    return replace(stated, dtype=own.dtype, shape=own.shape if stated.shape is None else stated.shape)
