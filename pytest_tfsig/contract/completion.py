"""What a contract leaves open, taken from the SavedModel's own signature."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_tfsig.contract.keys import at
from pytest_tfsig.contract.signature import METHODS, Signature
from pytest_tfsig.contract.tensor import Dimension, Feature, Tensor
from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec

_BATCH = "batch"


def inferred_signature(spec: SignatureSpec) -> Signature:
    """Return the contract that one signature states about itself.

    A leading unknown size becomes the named dimension ``batch`` where every input has one: it is then the same size
    in all of them and in every output that leads with an unknown size. Other unknown sizes may be anything.
    """
    if spec.method not in METHODS:
        raise ContractError(f'signature "{spec.name}" has the method "{spec.method}", which nothing serves.')
    batch = _BATCH if _is_batched(spec) else None
    return Signature(
        spec.name,
        {name: _inferred_tensor(tensor, batch) for name, tensor in spec.inputs.items()},
        {name: _inferred_tensor(tensor, batch) for name, tensor in spec.outputs.items()},
        method=spec.method,
    )


def complete(signature: Signature, spec: SignatureSpec) -> Signature:
    """Return ``signature`` with what it leaves open taken from ``spec``.

    A side with no tensors takes the SavedModel's. A tensor without a dtype takes dtype, and shape unless it states
    one. ``tf.Example`` features that the graph parses are taken where the contract names none.

    Raises:
        ContractError: What was taken contradicts what was stated.
    """
    inferred = inferred_signature(spec)
    batch = _stated_batch(signature) or _BATCH
    return replace(
        signature,
        inputs=at(("inputs",), lambda: _completed(signature.inputs, inferred.inputs, batch)),
        outputs=at(("outputs",), lambda: _completed(signature.outputs, inferred.outputs, batch)),
        method=spec.method if signature.method == "predict" and not signature.inputs else signature.method,
    )


def _is_batched(spec: SignatureSpec) -> bool:
    return bool(spec.inputs) and all(tensor.shape and tensor.shape[0] is None for tensor in spec.inputs.values())


def _inferred_tensor(spec: TensorSpec, batch: str | None) -> Tensor:
    features = None
    if spec.features is not None:
        features = {name: inferred_feature(feature) for name, feature in spec.features.items()}
    return Tensor(spec.dtype, _named(spec.shape, batch), features=features)


def _named(shape: tuple[int | None, ...] | None, batch: str | None) -> tuple[Dimension, ...] | None:
    return (batch, *shape[1:]) if shape and shape[0] is None else shape


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


def _completed(stated: Mapping[str, Tensor], inferred: Mapping[str, Tensor], batch: str) -> dict[str, Tensor]:
    renamed = {name: _rename_batch(tensor, batch) for name, tensor in inferred.items()}
    if not stated:
        return renamed
    return {name: at((name,), partial(_completed_tensor, tensor, renamed.get(name))) for name, tensor in stated.items()}


def _rename_batch(tensor: Tensor, batch: str) -> Tensor:
    if not tensor.shape or tensor.shape[0] != _BATCH:
        return tensor
    return replace(tensor, shape=(batch, *tensor.shape[1:]))


def _completed_tensor(stated: Tensor, own: Tensor | None) -> Tensor:
    if own is None:
        if stated.dtype is None:
            raise ContractError("it states no dtype and the SavedModel has no such tensor to take it from; state one.")
        return stated
    features = stated.features
    if features is None and stated.image is None and stated.encoding is None and own.features and stated.values is None:
        features = own.features
    if stated.dtype is None:
        shape = own.shape if stated.shape is None else stated.shape
        return replace(stated, dtype=own.dtype, shape=shape, features=features)
    return replace(stated, features=features if stated.dtype == "string" else stated.features)
