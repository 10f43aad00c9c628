"""tf.Examples: the values of their features, missing and repeated ones included, and their wire form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from google.protobuf.message import DecodeError

from pytest_tfsig import protos
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.images import images
from pytest_tfsig.strategies.numeric import numbers
from pytest_tfsig.strategies.source import SeededSource
from pytest_tfsig.strategies.text import strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Feature
    from pytest_tfsig.strategies.patterns import Values
    from pytest_tfsig.strategies.source import Source

__all__ = ["Example", "Examples", "examples", "parsed", "serialized"]

Example = dict[str, list[Any]]
"""The values of each feature that an example has: floats, ints or bytes."""

_FIELDS: Final = {"float32": "float_list", "int64": "int64_list", "string": "bytes_list"}
_LENGTHS: Final = (1, 0, 2, 3, 5, 17)
_POOL: Final = 64
_MOST_POINTS: Final = 32


@dataclass(frozen=True, slots=True)
class _Field:
    """One feature, with what its values may be."""

    feature: Feature
    values: Values

    def counts(self) -> tuple[int, ...]:
        """Return how many values it may have, the simplest first."""
        unit = math.prod(self.feature.shape or ())
        return (unit,) if self.feature.kind == "fixed" else tuple(unit * length for length in _LENGTHS)

    def filled(self, value: Any) -> list[Any]:
        return [_plain(value)] * self.counts()[0]

    def drawn(self, source: Source) -> list[Any]:
        counts = self.counts()
        return [_plain(value) for value in self.values.cells(source, counts[source.choose(len(counts))])]

    def typical(self, rng: np.random.Generator) -> list[Any]:
        counts = self.counts()
        count = counts[int(rng.integers(len(counts)))] or counts[0]
        return [_plain(value) for value in self.values.typical((count,), rng)]


@dataclass(frozen=True, slots=True)
class Examples:
    """What an input of tf.Examples may hold.

    Attributes:
        fields: Its features by name.
        points: Examples worth trying on their own, the simplest first.
    """

    fields: Mapping[str, _Field]
    points: tuple[Example, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the arrays: object, holding dicts."""
        return np.dtype(object)

    @property
    def simplest(self) -> Example:
        """The example that a shrunk input is full of: only what is required, all of it zero or empty."""
        return self.points[0]

    @property
    def one(self) -> Example:
        """What marks a cell among simplest ones."""
        return self.points[min(1, len(self.points) - 1)]

    @property
    def ends(self) -> tuple[Example, Example]:
        """Every feature at its low end, and at its high end."""
        low = {name: field.filled(field.values.ends[0]) for name, field in self.fields.items()}
        high = {name: field.filled(field.values.ends[1]) for name, field in self.fields.items()}
        return low, high

    def cells(self, source: Source, count: int) -> NDArray[Any]:
        """Return a vector of ``count`` examples, half of them `points`; optional features may be missing."""
        return _objects([self._cell(source) for _ in range(count)])

    def simpler(self, value: Example) -> Iterator[Example]:
        """Yield examples with fewer features, fewer values, or one simpler value."""
        for name, cells in value.items():
            field = self.fields.get(name)
            if field is None or not field.feature.required:
                yield {other: kept for other, kept in value.items() if other != name}
            if field is not None:
                yield from ({**value, name: shorter} for shorter in _simpler_cells(field, cells))

    def typical(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return examples as a caller usually sends them: with every feature."""
        count = min(_POOL, math.prod(shape)) or 1
        return self.some_of([self._typical(rng) for _ in range(count)], shape, rng)

    def anywhere(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return examples of every kind, some without their optional features."""
        source = SeededSource(rng)
        count = min(_POOL, math.prod(shape)) or 1
        return self.some_of([self._drawn(source) for _ in range(count)], shape, rng)

    def near(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return the simpler examples."""
        return self.some_of(self.points[:4], shape, rng)

    def some_of(self, values: Sequence[Example], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return an array of ``values``, each cell one of them."""
        return _objects(values)[rng.integers(len(values), size=math.prod(shape))].reshape(shape)

    def _cell(self, source: Source) -> Example:
        choice = source.choose(2 * len(self.points))
        return self.points[choice] if choice < len(self.points) else self._drawn(source)

    def _drawn(self, source: Source) -> Example:
        return {
            name: field.drawn(source)
            for name, field in self.fields.items()
            if field.feature.required or source.choose(3)
        }

    def _typical(self, rng: np.random.Generator) -> Example:
        return {name: field.typical(rng) for name, field in self.fields.items()}


def examples(features: Mapping[str, Feature], where: str) -> Examples:
    """Return what an input of tf.Examples with these features may hold.

    Raises:
        StrategyError: A feature can hold nothing.
    """
    fields = {name: _Field(feature, _values(feature, f"{where}.features.{name}")) for name, feature in features.items()}
    return Examples(fields, tuple(_points(fields)))


def serialized(example: Example | Any, features: Mapping[str, Feature]) -> bytes:
    """Return a tf.Example's wire form; a list that is empty takes its kind from the feature's dtype."""
    message = protos.Example()
    for name, cells in example.items():
        dtype = features[name].dtype if name in features else _dtype(cells)
        field = getattr(message.features.feature[name], _FIELDS[dtype])
        field.SetInParent()
        field.value.extend(cells)
    return bytes(message.SerializeToString(deterministic=True))


def parsed(data: bytes) -> Example:
    """Return the values that a serialized tf.Example has.

    Raises:
        StrategyError: The bytes are no tf.Example.
    """
    try:
        message: Any = protos.Example.FromString(data)
    except DecodeError as error:
        raise StrategyError(f"{data[:40]!r} is no serialized tf.Example: {error}.") from error
    found: Example = {}
    for name, feature in sorted(message.features.feature.items()):
        kind = feature.WhichOneof("kind")
        found[name] = list(getattr(feature, kind).value) if kind else []
    return found


def _objects(values: Sequence[Example]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _values(feature: Feature, where: str) -> Values:
    if feature.image is not None and feature.values is None:
        return images(feature.image)
    return strings(feature) if feature.dtype == "string" else numbers(feature, where)


def _points(fields: Mapping[str, _Field]) -> Iterator[Example]:
    simplest = {name: field.filled(field.values.simplest) for name, field in fields.items()}
    rng = np.random.default_rng(0)
    typical = {name: field.typical(rng) for name, field in fields.items()}
    optional = [name for name, field in fields.items() if not field.feature.required]
    candidates = [
        {name: cells for name, cells in simplest.items() if name not in optional},
        simplest,
        typical,
        {name: cells for name, cells in typical.items() if name not in optional},
        *({other: cells for other, cells in typical.items() if other != name} for name in optional),
    ]
    for name, field in fields.items():
        if field.feature.kind != "fixed":
            candidates += [{**typical, name: []}, {**typical, name: [_plain(field.values.one)] * max(field.counts())}]
    for name, field in fields.items():
        candidates += [{**typical, name: field.filled(end)} for end in field.values.ends]
    most = max((len(field.values.points) for field in fields.values()), default=0)
    for number in range(most):
        candidates.append(
            {
                name: field.filled(field.values.points[number % len(field.values.points)])
                for name, field in fields.items()
            }
        )
    yield from _distinct(candidates)


def _distinct(candidates: Sequence[Example]) -> list[Example]:
    found: list[Example] = []
    for candidate in candidates:
        if candidate not in found:
            found.append(candidate)
    return found[:_MOST_POINTS]


def _simpler_cells(field: _Field, cells: list[Any]) -> Iterator[list[Any]]:
    fewest = min(field.counts())
    if field.feature.kind != "fixed":
        yield from (cells[:count] for count in sorted(field.counts()) if fewest <= count < len(cells))
    simplest = _plain(field.values.simplest)
    if any(cell != simplest for cell in cells):
        yield [simplest] * len(cells)
    for position, cell in enumerate(cells):
        as_held = cell if isinstance(cell, bytes) else field.values.dtype.type(cell)
        for value in field.values.simpler(as_held):
            yield [*cells[:position], _plain(value), *cells[position + 1 :]]


def _plain(value: Any) -> Any:
    return value if isinstance(value, bytes) else value.item()


def _dtype(cells: list[Any]) -> str:
    if cells and isinstance(cells[0], str | bytes):
        return "string"
    return "int64" if cells and all(isinstance(cell, int) for cell in cells) else "float32"
