"""tf.Example messages from plain dicts, and the plain form of the answers to them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import protos
from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["as_examples", "classification", "example_input", "regression"]


def as_examples(examples: Iterable[Any], specs: SignatureSpec | None) -> list[Any]:
    """Return every example as a `tf.train.Example` message.

    Args:
        examples: Dicts of feature name to value, list of values or array; or `protos.Example` messages as they are.
        specs: The signature that is called; the dtypes of its features apply where it knows them. Without them
            text and bytes make a bytes list, floats a float list, integers and booleans an int64 list.

    Raises:
        UsageError: An example is neither, or a feature's value cannot be one of a tf.Example.
    """
    declared = {} if specs is None or not specs.features else specs.features
    dtypes = {name: feature.dtype for name, feature in declared.items()}
    return [_as_example(number, example, dtypes) for number, example in enumerate(examples)]


def example_input(examples: Iterable[Any], specs: SignatureSpec | None) -> Any:
    """Return the `tensorflow.serving.Input` that carries the examples."""
    message = protos.Input()
    # An empty list must still say which kind of input it is.
    message.example_list.SetInParent()
    message.example_list.examples.extend(as_examples(examples, specs))
    return message


def classification(rows: Sequence[Sequence[tuple[str, float]]]) -> dict[str, NDArray[Any]]:
    """Return `classes` (object array of bytes, [n, k]) and `scores` (float32, [n, k])."""
    shape = (len(rows), len(rows[0]) if rows else 0)
    classes = np.empty(shape, dtype=object)
    scores = np.empty(shape, dtype=np.float32)
    for number, row in enumerate(rows):
        for column, (label, score) in enumerate(row):
            classes[number, column] = label.encode("utf-8", "surrogateescape")
            scores[number, column] = score
    return {"classes": classes, "scores": scores}


def regression(values: Sequence[float]) -> dict[str, NDArray[Any]]:
    """Return `outputs` (float32, [n])."""
    return {"outputs": np.asarray(values, dtype=np.float32)}


def _as_example(number: int, example: Any, dtypes: Mapping[str, str]) -> Any:
    if hasattr(example, "SerializeToString"):
        # Also an Example of the tensorflow package: the same bytes, of a class of another descriptor pool.
        return protos.Example.FromString(example.SerializeToString())
    try:
        features = dict(example)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Example {number} is a {type(example).__name__}: give a dict of feature name to value, or a tf.Example."
        ) from error
    message = protos.Example()
    for name, value in features.items():
        _fill(message.features.feature[name], name, value, dtypes.get(name))
    return message


def _fill(feature: Any, name: str, value: Any, dtype: str | None) -> None:
    text = isinstance(value, str | bytes)
    # Through numpy, so that arrays and nested lists lie flat and numpy's scalars become Python's.
    values = [value] if text else [item.item() if isinstance(item, np.generic) else item for item in _flat(value)]
    kind = _KINDS.get(dtype or "") or _kind(values)
    target = getattr(feature, kind)
    target.SetInParent()
    try:
        target.value.extend(_CONVERT[kind](item) for item in values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"Feature {name!r} takes {kind.removesuffix('_list')} values: {error}") from error


def _flat(value: Any) -> list[Any]:
    flat: list[Any] = np.asarray(value, dtype=object).ravel().tolist()
    return flat


def _as_bytes(item: Any) -> bytes:
    if not isinstance(item, str | bytes):
        raise TypeError(f"{item!r} is neither text nor bytes")
    return item.encode() if isinstance(item, str) else item


_CONVERT: dict[str, Callable[[Any], Any]] = {"bytes_list": _as_bytes, "float_list": float, "int64_list": operator.index}
_KINDS = {"string": "bytes_list", "float32": "float_list", "int64": "int64_list"}


def _kind(values: list[Any]) -> str:
    if any(isinstance(item, str | bytes) for item in values):
        return "bytes_list"
    whole = all(isinstance(item, int) for item in values)
    return "int64_list" if values and whole else "float_list"
