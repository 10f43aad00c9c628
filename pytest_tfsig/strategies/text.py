"""The byte strings that a tensor of a contract may hold: text, raw bytes, categories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_tfsig.savedmodel.vocabulary import spread
from pytest_tfsig.strategies.source import SeededSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.contract import Feature, Tensor
    from pytest_tfsig.strategies.source import Source

__all__ = ["Strings", "strings"]

_TEXTS: Final = (
    "",
    "a",
    "the quick brown fox",
    " ",
    "UPPER lower",
    "0",
    "-1.5e3",
    "na\u00efve caf\u00e9",
    "\u65e5\u672c\u8a9e",
    "\U0001f600",
    "e\u0301",
    "\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "a\x00b",
    "\x00",
    "line\nbreak\ttab",
    "  spaces  around  ",
    '"quoted" \\ back/slash <b>&amp;</b>',
    "it's; -- %s {0} $x",
    "\ufeffbom",
    "\u200b",
    "\u0130stanbul stra\u00dfe \ufb01",
    "a" * 1000,
    "word " * 200,
    "\u00e9" * 300,
)
_RAW: Final = (b"\xff", b"\xc3\x28", b"\x80abc", b"\xed\xa0\x80", bytes(range(256)))
_WORDS: Final = (
    "a",
    "good",
    "bad",
    "film",
    "not",
    "the",
    "Zürich",
    "42",
    "e\u0301t\u00e9",
    "\u732b",
    "x" * 40,
    "don't",
    "!",
)
_MOST_WORDS: Final = 12
# Of four strings of a tensor whose vocabulary is known, two are one of its words, one is a text of them.
_KNOWN_SHARE: Final = 4
_KNOWN_POINTS: Final = 16
_POOL: Final = 64
_FIRST: Final = 2


@dataclass(frozen=True, slots=True)
class Strings:
    """What a string tensor may hold.

    Attributes:
        points: Strings worth trying on their own, the simplest first.
        make: Returns another string for a source of choices.
        closed: Whether parts of a string may not be held as well, as of categories and images.
        encoding: How they are text; None: bytes.
    """

    points: tuple[bytes, ...]
    make: Callable[[Source], bytes]
    closed: bool = False
    encoding: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype of the arrays: object, holding bytes."""
        return np.dtype(object)

    @property
    def simplest(self) -> bytes:
        """The string that a shrunk example is full of."""
        return self.points[0]

    @property
    def one(self) -> bytes:
        """What marks a cell among simplest ones."""
        return self.points[min(1, len(self.points) - 1)]

    @property
    def ends(self) -> tuple[bytes, bytes]:
        """The shortest string and the longest; of listed values the first and the last."""
        return self.points[0], self.points[-1]

    def cells(self, source: Source, count: int) -> NDArray[Any]:
        """Return a vector of ``count`` strings, two in three of them `points`, each drawn on its own."""
        return self.cast([self._cell(source) for _ in range(count)])

    def simpler(self, value: bytes) -> Iterator[bytes]:
        """Yield strings that are simpler than ``value``: listed earlier, or a half of it."""
        known = value in self.points
        yield from self.points[: self.points.index(value) if known else len(self.points) if self.closed else _FIRST]
        if self.closed:
            return
        text = self._text(value)
        middle = len(text) // 2
        for part in (text[:middle], text[middle:], text[:-1], text[1:]):
            shorter = part if isinstance(part, bytes) else part.encode(self.encoding or "utf-8")
            if len(shorter) < len(value):
                yield shorter
        if isinstance(text, str):
            plain = "a".encode(self.encoding or "utf-8")
            plain *= len(value) // len(plain)
            if value != plain:
                yield plain

    def _text(self, value: bytes) -> str | bytes:
        """Return a string as text where it is one: of what was recorded, nobody knows."""
        if self.encoding is None:
            return value
        try:
            return value.decode(self.encoding)
        except UnicodeDecodeError:
            return value

    def typical(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return strings as a caller usually sends them."""
        count = min(_POOL, math.prod(shape))
        source = SeededSource(rng)
        return self.some_of([self.make(source) for _ in range(count)] or [self.simplest], shape, rng)

    def anywhere(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return strings of every kind."""
        return self.some_of(self.points, shape, rng)

    def near(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return the simpler strings."""
        return self.some_of(self.points[:4], shape, rng)

    def _cell(self, source: Source) -> bytes:
        choice = source.choose(len(self.points) + len(self.points) // 2 + 1)
        return self.points[choice] if choice < len(self.points) else self.make(source)

    def some_of(self, values: Sequence[bytes], shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:
        """Return an array of ``values``, each cell one of them."""
        # A flat look-up, because numpy returns no array for an index of no dimensions.
        return self.cast(values)[rng.integers(len(values), size=math.prod(shape))].reshape(shape)

    def cast(self, values: Sequence[bytes]) -> NDArray[Any]:
        """Return ``values`` as an object array."""
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array


def strings(tensor: Tensor | Feature) -> Strings:
    """Return what a string ``tensor`` without `image` or `features` may hold.

    Args:
        tensor: Its `values`, `vocabulary` and `encoding` count. Without an encoding it may hold bytes that are no text.
    """
    encoding = getattr(tensor, "encoding", None)
    if tensor.values is not None:
        points = tuple(dict.fromkeys(_bytes(value, encoding or "utf-8") for value in tensor.values))
        return Strings(points, lambda source: points[source.choose(len(points))], closed=True)
    if encoding is None:
        points = (*(text.encode() for text in _TEXTS), *_RAW)
    else:
        points = tuple(dict.fromkeys(text.encode(encoding) for text in _TEXTS if _is_encodable(text, encoding)))
    words = tuple(_bytes(word, encoding or "utf-8") for word in tensor.vocabulary or ())
    space = " ".encode(encoding or "utf-8")

    def make(source: Source) -> bytes:
        if words and (choice := source.choose(_KNOWN_SHARE)):
            return space.join(words[source.choose(len(words))] for _ in range(_count(source) if choice == 1 else 1))
        return " ".join(_WORDS[source.choose(len(_WORDS))] for _ in range(_count(source))).encode(
            encoding or "utf-8", "ignore"
        )

    return Strings(_with_words(points, words), make, encoding=encoding)


def _with_words(points: Sequence[bytes], words: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return points among which are known words: the first marks a cell, and the last one is the far end."""
    if not words:
        return tuple(points)
    first, *middle = dict.fromkeys(spread(words, _KNOWN_POINTS))
    return tuple(dict.fromkeys((points[0], first, *middle[:-1], *(p for p in points[1:] if p not in words), words[-1])))


def _count(source: Source) -> int:
    return source.choose(_MOST_WORDS + 1)


def _bytes(value: object, encoding: str) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(encoding)


def _is_encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
