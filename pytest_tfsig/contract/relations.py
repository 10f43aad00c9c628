"""Relations of a contract: what ties outputs to each other and to the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from pytest_tfsig.errors import ContractError


@dataclass(frozen=True, slots=True)
class Argmax:
    """``output`` is the index of the largest value of the output ``of`` along ``axis``."""

    output: str
    of: str
    _: KW_ONLY
    axis: int = -1

    def __post_init__(self) -> None:
        _check_whole("axis", self.axis)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that the relation names."""
        return ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that the relation names."""
        return (self.output, self.of)


@dataclass(frozen=True, slots=True)
class Monotone:
    """When ``input`` grows and all else stays, ``output`` never moves against ``direction``.

    Attributes:
        input: The input that grows.
        output: The output that follows.
        direction: ``increasing`` or ``decreasing``.
        feature: The index along the last axis that grows; None: every element grows together.
        atol: How far against the direction rounding may take it.
    """

    input: str
    output: str
    _: KW_ONLY
    direction: Literal["increasing", "decreasing"] = "increasing"
    feature: int | None = None
    atol: float = 1e-6

    def __post_init__(self) -> None:
        if self.direction not in {"increasing", "decreasing"}:
            raise ContractError(f'direction = "{self.direction}" is neither increasing nor decreasing.')
        if self.feature is not None:
            _check_whole("feature", self.feature)
        _check_tolerances(self.atol)

    def fits(self, size: int) -> bool:
        """Tell whether a last axis of some size has the feature that grows."""
        return self.feature is None or -size <= self.feature < size

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that the relation names."""
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that the relation names."""
        return (self.output,)


@dataclass(frozen=True, slots=True)
class PermutationInvariant:
    """Reordering ``input`` along ``axis`` changes none of ``outputs`` (empty: none of all)."""

    input: str
    _: KW_ONLY
    axis: int = 1
    outputs: tuple[str, ...] = ()
    rtol: float = 1e-4
    atol: float = 1e-6

    def __post_init__(self) -> None:
        _check_outputs(self.outputs)
        object.__setattr__(self, "outputs", tuple(self.outputs))
        _check_batch_axis(self.axis)
        _check_tolerances(self.atol, self.rtol)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that the relation names."""
        return (self.input,)


@dataclass(frozen=True, slots=True)
class PaddingInvariant:
    """Appending ``value`` to ``input`` along ``axis`` changes none of ``outputs`` (empty: none of all)."""

    input: str
    _: KW_ONLY
    axis: int = 1
    value: float | str = 0
    outputs: tuple[str, ...] = ()
    rtol: float = 1e-4
    atol: float = 1e-6

    def __post_init__(self) -> None:
        _check_outputs(self.outputs)
        object.__setattr__(self, "outputs", tuple(self.outputs))
        _check_batch_axis(self.axis)
        _check_tolerances(self.atol, self.rtol)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that the relation names."""
        return (self.input,)


Relation = Argmax | Monotone | PermutationInvariant | PaddingInvariant
"""Any relation."""

KINDS: dict[str, type[Relation]] = {
    "argmax": Argmax,
    "monotone": Monotone,
    "permutation_invariant": PermutationInvariant,
    "padding_invariant": PaddingInvariant,
}
"""The relations by the ``kind`` that a contract file gives them."""


def kind_of(relation: Relation) -> str:
    """Return the ``kind`` under which a contract file states ``relation``."""
    return next(kind for kind, form in KINDS.items() if isinstance(relation, form))


def _check_whole(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ContractError(f"{key} = {value!r} is not a whole number.")


def _check_tolerances(atol: float, rtol: float = 0.0) -> None:
    for key, value in (("atol", atol), ("rtol", rtol)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ContractError(f"{key} = {value!r} is not a number of 0 or more.")


def _check_outputs(outputs: object) -> None:
    if isinstance(outputs, str) or not isinstance(outputs, Sequence):
        raise ContractError(f"outputs = {outputs!r} is not a list; write outputs = [...].")


def _check_batch_axis(axis: int) -> None:
    _check_whole("axis", axis)
    if axis == 0:
        raise ContractError("axis = 0 is the batch; the check batch_invariant proves that, name a later axis.")
