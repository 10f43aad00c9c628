"""A signature of a contract: its inputs, outputs and what must hold between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, Final

from pytest_tfsig.contract.keys import KeyedError, at
from pytest_tfsig.contract.latency import LatencyBudget, budgets
from pytest_tfsig.contract.naming import choices, suggestion
from pytest_tfsig.contract.relations import KINDS, Relation
from pytest_tfsig.contract.tensor import Tensor
from pytest_tfsig.errors import ContractError

METHODS: Final = ("predict", "classify", "regress")
"""The methods of TensorFlow Serving that answer for a signature."""

CLASSIFY_OUTPUTS: Final = ("classes", "scores")
"""The output names that classify reads; at least one is there."""

REGRESS_OUTPUTS: Final = ("outputs",)
"""The output name that regress reads."""

BATCH_RANGE: Final = (1, 32)
"""Sizes drawn for a leading named dimension that ``dims`` does not bound: either side of 16, and up to 32."""

SIZE_RANGE: Final = (1, 16)
"""Sizes drawn for every other dimension that is neither fixed nor bounded by ``dims``."""

_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signature:
    """What callers may rely on for one signature of a SavedModel.

    Attributes:
        name: The signature's key in the SavedModel.
        inputs: Tensors by name; empty: the SavedModel's own.
        outputs: Tensors by name; empty: the SavedModel's own. classify knows ``classes`` and ``scores``, regress
            knows ``outputs``.
        method: ``predict``, ``classify`` or ``regress``.
        dims: Smallest and largest size of named dimensions, both included.
        latency: Budgets; a mapping such as ``{"p99": "25ms"}`` is understood too.
        checks: Per check False to switch it off, True, or its options.
        relations: What ties outputs to each other and to the inputs.

    Raises:
        ContractError: A statement is malformed or contradicts another.
    """

    name: str = "serving_default"
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    _: KW_ONLY
    method: str = "predict"
    dims: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    latency: tuple[LatencyBudget, ...] = ()
    checks: Mapping[str, bool | Mapping[str, Any]] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ContractError(f"{self.name!r} is not a signature's name; the usual one is serving_default.")
        if self.method not in METHODS:
            raise KeyedError(
                ("method",), f'"{self.method}" is none of {choices(METHODS)}; {suggestion(str(self.method), METHODS)}'
            )
        for side in ("inputs", "outputs"):
            _set(self, side, _checked_tensors(side, getattr(self, side)))
        _set(self, "latency", _checked_latency(self.latency))
        dims = _checked_table("dims", self.dims, '{"batch": (1, 64)}')
        _set(self, "dims", {str(name): _checked_range(name, bounds) for name, bounds in dims.items()})
        checks = _checked_table("checks", self.checks, '{"concurrent": False}')
        _set(self, "checks", {str(name): _checked_options(name, given) for name, given in checks.items()})
        _set(self, "relations", _checked_relations(self.relations))
        self._check_dims()
        self._check_method()
        self._check_relations()

    def _check_dims(self) -> None:
        if not (self.inputs and self.outputs):
            return  # Their names are known once the SavedModel has completed the contract.
        known = self.dimension_names
        for name in self.dims:
            if name not in known and self._is_complete:
                raise KeyedError(("dims", name), f"no shape has a dimension of that name; {suggestion(name, known)}")

    @property
    def _is_complete(self) -> bool:
        return all(tensor.dtype is not None for tensor in (*self.inputs.values(), *self.outputs.values()))

    def _check_method(self) -> None:
        known = {"classify": CLASSIFY_OUTPUTS, "regress": REGRESS_OUTPUTS}.get(self.method)
        if known is None:
            return
        if len(self.inputs) > 1:
            raise KeyedError(
                ("inputs",), f"{self.method} takes one input, the tf.Examples, but {len(self.inputs)} are stated."
            )
        for name, tensor in self.inputs.items():
            if tensor.dtype not in {None, "string"}:
                raise KeyedError(
                    ("inputs", name), f"{self.method} takes tf.Examples of dtype string, not {tensor.dtype}."
                )
        for name in self.outputs:
            if name not in known:
                raise KeyedError(("outputs", name), f"{self.method} answers with {' and '.join(known)} only.")

    def _check_relations(self) -> None:
        for index, relation in enumerate(self.relations):
            for kind, named, known in (
                ("input", relation.inputs, self.inputs),
                ("output", relation.outputs, self.outputs),
            ):
                for name in named:
                    if known and name not in known:
                        raise KeyedError(
                            ("relations", index), f'there is no {kind} "{name}"; {suggestion(name, known)}'
                        )

    @property
    def dimension_names(self) -> tuple[str, ...]:
        """The names of all named dimensions, inputs first, each once."""
        tensors = (*self.inputs.values(), *self.outputs.values())
        return tuple(dict.fromkeys(name for tensor in tensors for name in tensor.dimension_names))

    def dim_range(self, name: str | None) -> tuple[int, int]:
        """Return the smallest and largest size of a dimension, from ``dims`` or by default.

        Args:
            name: A dimension's name, or None for one that has none.
        """
        if name is not None and name in self.dims:
            return self.dims[name]
        leading = {tensor.shape[0] for tensor in self.inputs.values() if tensor.shape}
        return BATCH_RANGE if name is not None and name in leading else SIZE_RANGE


def _checked_tensors(side: str, tensors: object) -> dict[str, Tensor]:
    if not isinstance(tensors, Mapping):
        raise KeyedError((side,), f'{tensors!r} is no mapping of names to tensors; write {{"x": Tensor("float32")}}.')
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not name:
            raise KeyedError((side,), f"{name!r} is not a tensor's name.")
        if not isinstance(tensor, Tensor):
            raise KeyedError(
                (side, name), f"{tensor!r} is no tensor; write Tensor(dtype, shape) or Probabilities(dtype, shape)."
            )
    return dict(tensors)


def _checked_table(key: str, stated: object, example: str) -> Mapping[object, object]:
    if stated is None:
        return {}
    if not isinstance(stated, Mapping):
        raise KeyedError((key,), f"{stated!r} is no mapping; write {example}.")
    return stated


def _checked_relations(stated: object) -> tuple[Relation, ...]:
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        raise KeyedError(("relations",), f'{stated!r} is no list; write [Argmax("class", "scores")].')
    for index, relation in enumerate(stated):
        if not isinstance(relation, Relation):
            forms = choices(form.__name__ for form in KINDS.values())
            raise KeyedError(("relations", index), f"{relation!r} is no relation; write {forms}.")
    return tuple(stated)


def _checked_range(name: object, bounds: object) -> tuple[int, int]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KeyedError(("dims",), f"{name!r} is not a dimension's name.")
    pair = tuple(bounds) if isinstance(bounds, Sequence) and not isinstance(bounds, str) else ()
    if len(pair) != 2 or any(isinstance(size, bool) or not isinstance(size, int) or size < 0 for size in pair):  # noqa: PLR2004 - a pair
        raise KeyedError(("dims", name), f"{bounds!r} is not a smallest and a largest size; write {name} = [1, 64].")
    low, high = pair
    if low > high:
        raise KeyedError(
            ("dims", name), f"[{low}, {high}] is empty: the smallest size is above the largest; swap them."
        )
    return (low, high)


def _checked_latency(stated: object) -> tuple[LatencyBudget, ...]:
    tables = [stated] if isinstance(stated, Mapping) else stated
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise KeyedError(("latency",), f'{stated!r} is no budget; write {{"p99": "25ms"}} or a list of those.')
    found: list[LatencyBudget] = []
    for index, table in enumerate(tables):
        if isinstance(table, LatencyBudget):
            found.append(table)
        elif isinstance(table, Mapping):
            found.extend(at(("latency", index), partial(budgets, table)))
        else:
            raise KeyedError(("latency", index), f'{table!r} is no budget; write {{"p99": "25ms"}}.')
    return tuple(found)


def _checked_options(name: object, options: object) -> bool | dict[str, Any]:
    if isinstance(options, bool):
        return options
    if isinstance(options, Mapping):
        return dict(options)
    raise KeyedError(("checks", str(name)), f"{options!r} is not false, true or a table of options.")


def _set(instance: object, name: str, value: object) -> None:
    """Normalise a field of a frozen dataclass while it is being built."""
    object.__setattr__(instance, name, value)
