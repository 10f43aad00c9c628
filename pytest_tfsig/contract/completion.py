"""What a contract leaves open, taken from the SavedModel's own signature."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_tfsig.contract.domain import checked_values
from pytest_tfsig.contract.keys import at
from pytest_tfsig.contract.signature import METHODS, Signature
from pytest_tfsig.contract.tensor import Dimension, Feature, Tensor
from pytest_tfsig.errors import ContractError
from pytest_tfsig.savedmodel.dtypes import INTEGER_RANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from pytest_tfsig.savedmodel import FeatureSpec, Meaning, SignatureSpec, TensorSpec

_BATCH = "batch"
_SHARED = "dim_"


def inferred_signature(spec: SignatureSpec) -> Signature:
    """Return the contract that one signature states about itself.

    A leading unknown size becomes the named dimension ``batch`` where every input but scalars has one: it is then one
    size in all of them and in every output that leads with an unknown size. A later axis whose size several inputs
    leave unknown becomes ``dim_1``, ``dim_2``, ... in each: tokens or frames and their mask must be equally long, and
    inputs that need not agree lose nothing but variety. Other unknown sizes may be anything.

    What the graph takes an input for bounds its values: an image file of a format that it decodes, or, where it looks
    the input up in tables, the rows of the smallest one. Vocabularies bound nothing and may be long: ``complete`` adds
    them.
    """
    if spec.method not in METHODS:
        raise ContractError(f'signature "{spec.name}" has the method "{spec.method}", which nothing serves.')
    batch = _BATCH if _is_batched(spec) else None
    shared = _shared_axes(spec).keys()
    inputs = {name: _inferred_tensor(tensor, batch, shared) for name, tensor in spec.inputs.items()}
    outputs = {name: _inferred_tensor(tensor, batch, set()) for name, tensor in spec.outputs.items()}
    return Signature(spec.name, inputs, outputs, method=spec.method)


def complete(signature: Signature, spec: SignatureSpec) -> Signature:
    """Return ``signature`` with what it leaves open taken from ``spec``.

    A side with no tensors takes the SavedModel's. A tensor without a dtype takes dtype, and shape unless it states
    one; an input without a shape takes it in any case, because nothing else could be sent. Features of tf.Examples
    that the graph parses, an image's format, the last row of a table and vocabularies are taken where the contract
    leaves them open.

    Raises:
        ContractError: What was taken contradicts what was stated.
    """
    inferred = inferred_signature(spec)
    batch = _stated_batch(signature) or _BATCH
    inputs = at(("inputs",), lambda: _completed(signature.inputs, inferred.inputs, batch, _completed_input))
    return replace(
        signature,
        inputs={name: _with_vocabulary(tensor, spec.inputs.get(name)) for name, tensor in inputs.items()},
        outputs=at(("outputs",), lambda: _completed(signature.outputs, inferred.outputs, batch, _completed_tensor)),
        method=spec.method if signature.method == "predict" and not signature.inputs else signature.method,
    )


def _is_batched(spec: SignatureSpec) -> bool:
    shapes = [tensor.shape for tensor in spec.inputs.values() if tensor.shape != ()]
    return bool(shapes) and all(shape is not None and shape[0] is None for shape in shapes)


def is_shared_axis(name: str) -> bool:
    """Tell whether a dimension has a name that ``inferred_signature`` gives to what several inputs leave unknown."""
    return re.fullmatch(rf"{_SHARED}\d+", name) is not None


def _shared_axes(spec: SignatureSpec) -> dict[int, list[str]]:
    """Return the axes that several inputs leave unknown, each with the names of those inputs, batches left out."""
    first = 1 if _is_batched(spec) else 0
    axes: dict[int, list[str]] = {}
    for name, tensor in spec.inputs.items():
        for axis, size in enumerate(tensor.shape or ()):
            if size is None and axis >= first:
                axes.setdefault(axis, []).append(name)
    return {axis: names for axis, names in axes.items() if len(names) > 1}


def remarks(specs: Mapping[str, SignatureSpec]) -> dict[tuple[str, str, str], str]:
    """Return why an inferred contract says what the signatures themselves do not.

    Returns:
        A sentence by place, as ``dumps`` writes them: the signature's name, ``inputs`` and an input's name for its
        values, or ``dims`` and a dimension's name.
    """
    return {(name, *place): told for name, spec in specs.items() for place, told in _remarks(spec).items()}


def _remarks(spec: SignatureSpec) -> dict[tuple[str, str], str]:
    found = {
        ("inputs", name): _remark(tensor.meaning) for name, tensor in spec.inputs.items() if tensor.meaning is not None
    }
    for axis, names in _shared_axes(spec).items():
        inputs = " and ".join(f'"{name}"' for name in names)
        found["dims", f"{_SHARED}{axis}"] = (
            f"{_SHARED}{axis}: {inputs} are taken to be equally long, which the SavedModel does not say; "
            'write "?" or a name of its own where one may differ.'
        )
    return found


def _remark(meaning: Meaning) -> str:
    if meaning.vocabulary:
        return f"The graph {meaning.source}: they are sent, beside others. vocabulary = [...] would take their place."
    return f"{'min and max' if meaning.image is None else 'image'}: the graph {meaning.source}."


def _inferred_tensor(spec: TensorSpec, batch: str | None, shared: AbstractSet[int]) -> Tensor:
    features = None
    if spec.features is not None:
        features = {name: inferred_feature(feature) for name, feature in spec.features.items()}
    if spec.shape is None:
        return Tensor(spec.dtype, None, features=features, **_values(spec))
    shape: list[Dimension] = list(spec.shape)
    for axis, size in enumerate(spec.shape):
        if size is None and axis == 0 and batch is not None:
            shape[axis] = batch
        elif axis in shared and size is None:
            shape[axis] = f"{_SHARED}{axis}"
    return Tensor(spec.dtype, shape, features=features, **_values(spec))


def _values(spec: TensorSpec) -> dict[str, Any]:
    """Return what the graph tells of an input's values, as a contract states it."""
    meaning = spec.meaning
    if meaning is None:
        return {}
    if meaning.image is not None:
        return {"image": meaning.image}
    if meaning.table_size is None:
        return {}
    largest = INTEGER_RANGES.get(spec.dtype, (0, meaning.table_size))[1]
    return {"min": 0, "max": min(meaning.table_size - 1, largest)}


def inferred_feature(spec: FeatureSpec) -> Feature:
    """Return what a contract says of a feature that the graph parses."""
    if spec.shape is None or spec.kind != "fixed":
        sizes = tuple(size for size in spec.shape or () if size is not None)
        return Feature(spec.dtype, sizes or None, kind=spec.kind)
    return Feature(spec.dtype, tuple(size or 0 for size in spec.shape), default=spec.default, image=spec.image)


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
    if completed.values is not None:
        return replace(completed, shape=shape)
    taken: dict[str, Any] = {}
    if completed.dtype == "string" and completed.encoding is None and completed.image is None:
        if own.features is not None:
            taken["features"] = {**own.features, **(completed.features or {})}
        elif completed.features is None and completed.strategy is None:
            taken["image"] = own.image
    elif own.max is not None and completed.max is None and completed.dtype == own.dtype and completed.strategy is None:
        low = own.min if completed.min is None else completed.min
        taken = {} if low is None or low > own.max else {"min": low, "max": own.max}
    return replace(completed, shape=shape, **taken)


def _with_vocabulary(tensor: Tensor, spec: TensorSpec | None) -> Tensor:
    """Return an input with the words that the graph knows, where the contract leaves room for them."""
    if spec is None:
        return tensor
    if tensor.features is not None:
        parsed = spec.features or {}
        return replace(
            tensor,
            features={name: _with_words(feature, parsed.get(name)) for name, feature in tensor.features.items()},
        )
    if spec.meaning is None or tensor.dtype != spec.dtype or tensor.strategy is not None:
        return tensor
    return _with_words(tensor, spec.meaning)


_Stated = TypeVar("_Stated", Tensor, Feature)


def _with_words(stated: _Stated, known: Meaning | FeatureSpec | None) -> _Stated:
    if known is None or stated.vocabulary is not None or stated.values is not None or stated.image is not None:
        return stated
    words = [word for word in known.vocabulary if _is_held(stated, word)]
    return replace(stated, vocabulary=words) if words else stated


def _is_held(stated: Tensor | Feature, word: bytes | int) -> bool:
    """Whether the contract allows a word: by its dtype, its bounds and its encoding."""
    try:
        checked_values(stated.dtype, [word], stated.min, stated.max)
        if isinstance(word, bytes):
            word.decode(getattr(stated, "encoding", None) or "latin-1")
    except (ContractError, UnicodeDecodeError):
        return False
    return True


def _completed_tensor(stated: Tensor, own: Tensor | None) -> Tensor:
    if stated.dtype is not None:
        return stated
    if own is None:
        raise ContractError("it states no dtype and the SavedModel has no such tensor to take it from; state one.")
    return replace(stated, dtype=own.dtype, shape=own.shape if stated.shape is None else stated.shape)
