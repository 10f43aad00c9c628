"""Corner cases: a fixed list of inputs for a signature, those that find most bugs first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.strategies.limits import MAX_CORNER_CASES, MAX_ELEMENTS
from pytest_tfsig.strategies.patterns import PATTERNS
from pytest_tfsig.strategies.quietly import sample
from pytest_tfsig.strategies.signatures import Arrays, Inputs, Plan, plan
from pytest_tfsig.strategies.source import SeededSource, generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.contract import Signature
    from pytest_tfsig.strategies.sizes import Key, Shapes

__all__ = ["Case", "corner_arrays", "corner_cases"]

_SEED: Final = 20
# Sizes where nothing special is meant: more than two, and odd.
_ROWS: Final = 3
_LENGTH: Final = 5
_MOST: Final = 2**62
# Past these a signature has more inputs or dimensions than cases to spend on each.
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One corner case.

    Attributes:
        name: What is special about it, such as ``"one simple row, batch = 3"``.
        inputs: Arrays by input name; for classify and regress a list of examples.
    """

    name: str
    inputs: Inputs


def corner_cases(signature: Signature) -> Iterator[Case]:
    """Return a signature's corner cases, at most `MAX_CORNER_CASES`, no two alike, each time the same ones.

    Raises:
        StrategyError: An input's dtype is not known, or an input can hold nothing.
    """
    ready = plan(signature)
    return (Case(name, ready.finish(arrays)) for name, arrays in corner_arrays(ready))


def corner_arrays(ready: Plan) -> Iterator[tuple[str, Arrays]]:
    """Return the corner cases' names and arrays, before `Plan.finish`."""
    seen: set[object] = set()
    for recipe in _recipes(ready):
        name, arrays = recipe.named_arrays(ready)
        content = tuple(_content(array) for array in arrays.values())
        if content not in seen:
            seen.add(content)
            yield name, arrays
        if len(seen) == MAX_CORNER_CASES:
            return


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How to make one corner case.

    Attributes:
        pattern: Fills every input.
        rows: Wanted size of leading dimensions.
        length: Wanted size of the other free dimensions.
        sizes: Wanted sizes of single dimensions.
        special: Patterns of single inputs.
        seed: Tells cases of one pattern apart.
        limit: Most elements of all inputs together.
    """

    pattern: str
    rows: int = _ROWS
    length: int = _LENGTH
    sizes: Mapping[Key, int] = field(default_factory=dict)
    special: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    limit: int = MAX_ELEMENTS

    def named_arrays(self, ready: Plan) -> tuple[str, Arrays]:
        rng = generator(_SEED + self.seed)
        sizes: dict[Key, int] = {}

        def shapes(known: Mapping[Key, int]) -> Shapes:
            sizes.update(self._sizes(ready, known))
            return ready.layout.with_rank(1).resolve(sizes)

        def fill(name: str, shape: tuple[int, ...]) -> Any:
            return PATTERNS[self.special.get(name, self.pattern)](ready.values[name], shape, rng)

        arrays = ready.assemble(SeededSource(rng, sample), shapes, fill)
        special = [f"{name} {pattern}" for name, pattern in self.special.items()]
        return ", ".join(
            [self.pattern, *special, *(f"{_key_text(key)} = {size}" for key, size in sizes.items())]
        ), arrays

    def _sizes(self, ready: Plan, known: Mapping[Key, int]) -> dict[Key, int]:
        lay = ready.layout.with_rank(1)
        sizes = dict(known)
        for dim in lay.dims:
            if dim.key not in sizes:
                wanted = self.sizes.get(dim.key, self.rows if dim.key in lay.leading else self.length)
                sizes[dim.key] = max(dim.low, min(wanted, lay.room(dim, sizes, self.limit)))
        return sizes


def _recipes(ready: Plan) -> Iterator[_Recipe]:
    lay = ready.layout.with_rank(1)
    lengths = [dim.key for dim in lay.dims if dim.key not in lay.leading]
    several = list(ready.values)[:_MOST_NAMED] if len(ready.values) > 1 else []
    most_points = max((len(values.points) for values in ready.values.values()), default=1)
    yield from (
        _Recipe("typical"),
        _Recipe("typical", rows=1),
        _Recipe("simplest", rows=1),
        _Recipe("one simple row"),
        _Recipe("high", rows=2),
        _Recipe("low", rows=2),
        _Recipe("cycle", rows=most_points),
        # One batch past 16, even of images of a usual size.
        _Recipe("typical", rows=17, limit=4 * MAX_ELEMENTS),
        _Recipe("alternating"),
        _Recipe("opposed"),
    )
    if lengths:
        yield from (_Recipe("typical", length=1), _Recipe("typical", length=_MOST), _Recipe("typical", length=17))
        yield from (_Recipe("typical", length=2), _Recipe("typical", length=8))
    yield from (
        _Recipe("one-hot"),
        _Recipe("repeated rows", rows=5),
        _Recipe("typical", rows=_MOST),
        _Recipe("one far row"),
        _Recipe("ends", rows=4),
        _Recipe("constant rows", rows=7),
        _Recipe("near", rows=2),
    )
    for name in several:
        yield _Recipe("typical", rows=2, special={name: "simplest"})
        yield _Recipe("typical", rows=2, special={name: "high"})
    for key in lengths[:_MOST_NAMED] if len(lengths) > 1 else []:
        yield _Recipe("typical", sizes={key: 1})
        yield _Recipe("typical", sizes={key: _MOST})
    yield from (
        _Recipe("anywhere", rows=2),
        _Recipe("points", rows=5),
        _Recipe("constant columns"),
        _Recipe("sparse", rows=9),
        *(_Recipe("typical", rows=rows) for rows in (2, 16, 8, 33, 4, 15, 32)),
        _Recipe("high", rows=1),
        _Recipe("low", rows=1),
        *(_Recipe("ends", rows=6, seed=seed) for seed in range(1, 4)),
    )


def _content(array: Any) -> object:
    return array.shape, repr(array.tolist()) if array.dtype == object else array.tobytes()


def _key_text(key: Key) -> str:
    return key if isinstance(key, str) else f"{key[0]}[{key[1]}]"
