"""A tensor of a contract: dtype, shape and the domain of its values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.contract import domain
from pytest_tfsig.errors import ContractError
from pytest_tfsig.savedmodel.dtypes import FLOAT_DTYPES

if TYPE_CHECKING:
    from pytest_tfsig.contract.domain import Value

Dimension = int | str | None
"""One dimension of a shape: a fixed size, a name that is one size wherever it appears, or None for any size."""

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_STRATEGY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", re.ASCII)
_FEATURE_DTYPES: Final = ("float32", "int64", "string")

# A sum of up to a few thousand rounded terms stays within these of 1.
_PROBABILITY_TOLERANCES: Final = {"float64": 1e-9, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}
_COARSEST_TOLERANCE: Final = 0.25


@dataclass(frozen=True, slots=True)
class ProbabilityRule:
    """Values lie in [0, 1] and sum to 1 along ``axis``, up to ``atol`` (None: what the dtype's rounding needs)."""

    axis: int = -1
    atol: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.axis, bool) or not isinstance(self.axis, int):
            raise ContractError(f"probabilities: axis = {self.axis!r} is not a whole number; -1 is the last axis.")
        if self.atol is not None and not (_is_real(self.atol) and 0 <= self.atol < 1):
            raise ContractError(f"probabilities: atol = {self.atol!r} is not a number from 0 to below 1.")


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a tf.Example.

    Attributes:
        dtype: float32, int64 or string: what a tf.Example can carry.
        shape: Fixed sizes; empty for a scalar; None where the length varies. A variable feature with a shape repeats
            that shape any number of times.
        kind: ``fixed`` is parsed into a dense tensor, ``variable`` into a sparse or padded one, ``ragged`` into a
            ragged one.
        default: Values used where an example lacks the feature; None: an example must have it, unless its kind is
            not fixed.
        min: Smallest value.
        max: Largest value.
        values: The only values.
        vocabulary: Strings or numbers that the model knows, sent beside others.
        image: The bytes of a string are a ``png`` or ``jpeg`` file.
    """

    dtype: str
    shape: Sequence[int] | None = ()
    _: KW_ONLY
    kind: Literal["fixed", "variable", "ragged"] = "fixed"
    default: Sequence[Value] | None = None
    min: float | None = None
    max: float | None = None
    values: Sequence[Value] | None = None
    image: Literal["png", "jpeg"] | None = None
    vocabulary: Sequence[Value] | None = None

    def __post_init__(self) -> None:
        dtype = domain.checked_dtype(self.dtype)
        if dtype not in _FEATURE_DTYPES:
            raise ContractError(f"a tf.Example carries {', '.join(_FEATURE_DTYPES)}, never {dtype}.")
        _set(self, "dtype", dtype)
        if self.kind not in {"fixed", "variable", "ragged"}:
            raise ContractError(f'kind = "{self.kind}" is none of fixed, variable and ragged.')
        shape = checked_shape(self.shape)
        if shape is not None and not all(isinstance(size, int) for size in shape):
            raise ContractError(
                f"shape = {shape_text(shape)}: a feature's sizes are numbers; use kind for a length that varies."
            )
        if self.kind == "fixed" and shape is None:
            raise ContractError("a fixed feature needs a shape; [] is a single value.")
        _set(self, "shape", shape)
        domain.check_bounds(dtype, self.min, self.max)
        domain.check_text(dtype, encoding=None, image=self.image)
        if self.values is not None:
            _set(self, "values", domain.checked_values(dtype, self.values, self.min, self.max))
        if self.vocabulary is not None:
            domain.check_vocabulary(dtype, values=self.values, image=self.image)
            words = domain.checked_values(dtype, self.vocabulary, self.min, self.max, key="vocabulary")
            _set(self, "vocabulary", words)
        if self.default is not None:
            _set(self, "default", domain.checked_default(dtype, self.default))

    @property
    def required(self) -> bool:
        """Whether an example without this feature is an error."""
        return self.kind == "fixed" and self.default is None


@dataclass(frozen=True, slots=True)
class Tensor:
    """What callers may rely on for one input or output.

    Attributes:
        dtype: A dtype's name. None takes dtype, and a shape that is not given either, from the SavedModel.
        shape: Per dimension a fixed size, a name (one size wherever it appears), or None or ``"?"`` for any size;
            None: any rank.
        min: Smallest value.
        max: Largest value.
        values: The only values; those of a string are bytes, text is encoded by ``encoding`` or else UTF-8.
        finite: Whether NaN and infinities are excluded (floats and complex).
        encoding: How the bytes of a string are text, such as ``utf-8``; None: any bytes.
        image: The bytes of a string are a ``png`` or ``jpeg`` file.
        features: The string is a serialized tf.Example with these features.
        vocabulary: Strings or numbers that the model knows, sent beside others: words, ids of a catalogue. None takes
            the keys of the tables that the SavedModel looks an input up in, and the strings that it compares it with.
        strategy: The user's own Hypothesis strategy: ``"module:function"``, or in Python a strategy or function.
        probabilities: Values are probabilities; True takes the rule's defaults.

    Raises:
        ContractError: A statement is malformed or contradicts another.
    """

    dtype: str | None = None
    shape: Sequence[Dimension] | None = None
    _: KW_ONLY
    min: float | None = None
    max: float | None = None
    values: Sequence[Value] | None = None
    finite: bool = True
    encoding: str | None = None
    image: Literal["png", "jpeg"] | None = None
    features: Mapping[str, Feature] | None = None
    vocabulary: Sequence[Value] | None = None
    strategy: Any = None
    probabilities: ProbabilityRule | Literal[True] | None = None

    def __post_init__(self) -> None:
        dtype = None if self.dtype is None else domain.checked_dtype(self.dtype)
        _set(self, "dtype", dtype)
        _set(self, "shape", checked_shape(self.shape))
        domain.check_bounds(dtype, self.min, self.max)
        if self.values is not None:
            _set(self, "values", domain.checked_values(dtype, self.values, self.min, self.max, self.encoding))
        if self.vocabulary is not None:
            domain.check_vocabulary(
                dtype, values=self.values, image=self.image, features=self.features, strategy=self.strategy
            )
            words = domain.checked_values(dtype, self.vocabulary, self.min, self.max, self.encoding, key="vocabulary")
            _set(self, "vocabulary", words)
        if not isinstance(self.finite, bool):
            raise ContractError(f"finite = {self.finite!r} is neither true nor false.")
        if not self.finite and dtype is not None and not domain.has_infinities(dtype):
            raise ContractError(f"finite = false says that NaN is allowed, but {dtype} has none; remove it.")
        domain.check_text(dtype, encoding=self.encoding, image=self.image)
        self._check_features(dtype)
        self._check_probabilities(dtype)
        if isinstance(self.strategy, str) and not _STRATEGY.fullmatch(self.strategy):
            raise ContractError(f'strategy = "{self.strategy}" does not name a function; write "module:function".')

    def _check_features(self, dtype: str | None) -> None:
        if self.features is None:
            return
        if dtype not in {None, "string"}:
            raise ContractError(f"features describe serialized tf.Examples of dtype string, but the dtype is {dtype}.")
        if self.image is not None or self.encoding is not None:
            raise ContractError("features contradict encoding and image: a tf.Example is neither text nor an image.")
        if not isinstance(self.features, Mapping):
            raise ContractError(f'features = {self.features!r} is no mapping; write {{"age": Feature("int64")}}.')
        for name, feature in self.features.items():
            if not isinstance(feature, Feature):
                raise ContractError(f'feature "{name}" is {feature!r}; write Feature(dtype, shape).')
        _set(self, "features", dict(self.features))

    def _check_probabilities(self, dtype: str | None) -> None:
        rule = ProbabilityRule() if self.probabilities is True else self.probabilities or None
        if rule is not None:
            if not isinstance(rule, ProbabilityRule):
                raise ContractError(
                    f"probabilities = {rule!r} is neither True nor a rule; write Probabilities(dtype, shape, axis=-1)."
                )
            if dtype is not None and dtype not in FLOAT_DTYPES:
                raise ContractError(f"probabilities are floats, but the dtype is {dtype}.")
            if self.shape is not None and not -len(self.shape) <= rule.axis < len(self.shape):
                raise ContractError(f"probabilities: axis {rule.axis} is not an axis of {shape_text(self.shape)}.")
            if rule.atol is None and dtype is not None:
                rule = replace(rule, atol=_PROBABILITY_TOLERANCES.get(dtype, _COARSEST_TOLERANCE))
        _set(self, "probabilities", rule)

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """The named dimensions, in order."""
        return tuple(size for size in self.shape or () if isinstance(size, str))


def Probabilities(  # noqa: N802 - it reads as the kind of tensor it returns, beside Tensor(...)
    dtype: str | None = None,
    shape: Sequence[Dimension] | None = None,
    *,
    axis: int = -1,
    atol: float | None = None,
    strategy: Any = None,
) -> Tensor:
    """Return a tensor of probabilities: in [0, 1] and summing to 1 along ``axis``.

    Args:
        dtype: A float dtype; None takes it from the SavedModel.
        shape: As for ``Tensor``.
        axis: The axis of the classes.
        atol: How far from 1 a sum may be; None: what the dtype's rounding needs (1e-5 for float32).
        strategy: As for ``Tensor``, where probabilities are an input.
    """
    return Tensor(dtype, shape, strategy=strategy, probabilities=ProbabilityRule(axis, atol))


def checked_shape(shape: object) -> tuple[Dimension, ...] | None:
    """Return a shape as a tuple in which None is any size.

    Raises:
        ContractError: The shape is not a list, or a dimension is not a size, a name or ``"?"``.
    """
    if shape is None:
        return None
    if isinstance(shape, (str, bytes, int, float)) or not isinstance(shape, Sequence):
        raise ContractError(f'shape = {shape!r} is not a list; write shape = ["batch", 8, 8].')
    return tuple(_checked_dimension(size, shape) for size in shape)


def _checked_dimension(size: object, shape: Sequence[object]) -> Dimension:
    if size is None or size == "?":
        return None
    if isinstance(size, str) and _NAME.fullmatch(size):
        return size
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    hint = 'write "?" for any size' if size == -1 else 'a dimension is a size, a name such as "batch", or "?"'
    raise ContractError(f"shape = {shape_text(shape)}: {size!r} is not a dimension; {hint}.")


def shape_text(shape: Sequence[object] | None) -> str:
    """Write a shape for people: ``[batch, 8, ?]``; ``any rank`` for None."""
    return "any rank" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def has_default_tolerance(rule: ProbabilityRule, dtype: str | None) -> bool:
    """Tell whether ``rule`` has the tolerance that it would get for ``dtype`` if it stated none."""
    return dtype is not None and rule.atol == _PROBABILITY_TOLERANCES.get(dtype, _COARSEST_TOLERANCE)


def _is_real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _set(instance: object, field: str, value: object) -> None:
    """Normalise a field of a frozen dataclass while it is being built."""
    object.__setattr__(instance, field, value)
