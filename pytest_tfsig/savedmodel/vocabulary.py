"""The words that a graph knows: keys of tables that it looks an input up in, strings that it compares an input with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.savedmodel.constants import constant, written
from pytest_tfsig.savedmodel.dtypes import dtype_name
from pytest_tfsig.savedmodel.flow import STRING_CARRIERS, Place, Source, Use, origin, uses
from pytest_tfsig.savedmodel.graph import data_inputs
from pytest_tfsig.savedmodel.meanings import is_looked_at, keeps_numbers
from pytest_tfsig.savedmodel.specs import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_tfsig.savedmodel.graph import Graph

    ReadAsset = Callable[[str], bytes | None]
    """Returns the content of the asset file that a node of the main graph names, if it is one."""

_LOOK_UPS: Final = frozenset({"LookupTableFind", "LookupTableFindV2"})
_COMPARISONS: Final = frozenset({"Equal", "NotEqual"})
# Ops that make words of a text: who sends a word, sends a text of one.
_TEXT_OPS: Final = frozenset(
    {"StringLower", "StringUpper", "StringStrip", "StaticRegexReplace", "RegexReplace", "StringSplit", "StringSplitV2"}
)
# Of ops that fill gaps, the input that holds the values.
_DENSIFIERS: Final = {"SparseToDense": 2, "RaggedTensorToTensor": 1}
_IMPORTS: Final = frozenset({"InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2"})
_FILES: Final = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_HANDLES: Final = frozenset({"Identity"})
_WHOLE_LINE: Final = -2
_INTEGER: Final = re.compile(rb"-?[0-9]{1,19}")
_MOST_WORDS: Final = 1000
_MOST_TOLD: Final = 3


def words_of(graph: Graph, start: Source, read_asset: ReadAsset) -> Meaning | None:
    """Return the words among those that a string may hold that the graph tells apart from all others.

    Of thousands, a thousand are returned, evenly chosen, with the first and the last.
    """
    words = _Words(graph, read_asset, bytes)
    for use in uses(graph, start, _carries_words):
        words.add(use)
    return words.meaning()


def ids_of(graph: Graph, start: Source, read_asset: ReadAsset) -> Meaning | None:
    """Return the keys of a table that numbers are looked up in; None where they are used in another way, too."""
    words = _Words(graph, read_asset, int)
    for use in uses(graph, start, keeps_numbers):
        if is_looked_at(use):
            continue
        if use.node.op not in _LOOK_UPS:
            return None
        words.add(use)
    return words.meaning()


def spread(items: Sequence[Any], most: int) -> tuple[Any, ...]:
    """Return at most ``most`` items, two at least, evenly chosen, with the first and the last."""
    if len(items) <= most:
        return tuple(items)
    return tuple(items[number * (len(items) - 1) // (most - 1)] for number in range(most))


def _carries_words(use: Use) -> bool:
    op = use.node.op
    return op in STRING_CARRIERS or (op in _TEXT_OPS and use.index == 0) or _DENSIFIERS.get(op) == use.index


class _Words:
    """The words that the uses of an input tell, gathered; each table is read once, however often it is asked."""

    def __init__(self, graph: Graph, read_asset: ReadAsset, kind: type[bytes | int]) -> None:
        self._graph = graph
        self._read_asset = read_asset
        self._kind = kind
        self._words: dict[bytes | int, None] = {}
        self._sources: dict[str, None] = {}
        self._tables: set[int] = set()

    def add(self, use: Use) -> None:
        """Add what one use tells: a look-up, or a comparison."""
        if use.node.op in _LOOK_UPS and use.index == 1:
            table = origin(use.place, data_inputs(use.node)[0], _HANDLES)
            if table is None or id(table) in self._tables:
                return
            self._tables.add(id(table))
            keys = self._of_kind(_keys(self._graph, table, self._read_asset))
            self._note(keys, f'looks it up in "{table.name}", of {len(keys)} keys')
        elif use.node.op in _COMPARISONS:
            compared = constant(use.place, data_inputs(use.node)[1 - use.index])
            words = self._of_kind([] if compared is None else written(compared))
            self._note(words, f"compares it with {len(words)} string{'s' * (len(words) != 1)}")

    def meaning(self) -> Meaning | None:
        """Return all of it; None where no word is known."""
        if not self._words:
            return None
        told = ", and ".join(list(self._sources)[:_MOST_TOLD])
        return Meaning(vocabulary=spread(list(self._words), _MOST_WORDS), source=told)

    def _of_kind(self, words: list[Any]) -> list[Any]:
        return [word for word in words if isinstance(word, self._kind)]

    def _note(self, words: list[Any], source: str) -> None:
        if words:
            self._words.update(dict.fromkeys(words))
            self._sources[source] = None


def _keys(graph: Graph, table: Any, read_asset: ReadAsset) -> list[Any]:
    if not _is_in_main(graph, table):
        return []
    found: list[Any] = []
    for use in uses(graph, Source(table.name, 0, Place(graph.main)), lambda use: use.node.op in _HANDLES):
        if use.index == 0 and use.node.op in _IMPORTS:
            keys = constant(use.place, data_inputs(use.node)[1])
            found += [] if keys is None else written(keys)
        elif use.index == 0 and use.node.op in _FILES:
            found += _lines(graph, use, dtype_name(table.attr["key_dtype"].type), read_asset)
    return found


def _filename(graph: Graph, use: Use) -> str:
    """Return the node of the main graph that is a file's name; a variable may stand between."""
    node = origin(use.place, data_inputs(use.node)[1], _HANDLES | {"ReadVariableOp"})
    if node is not None and node.op == "VarHandleOp" and _is_in_main(graph, node):
        for consumer, index in graph.main.consumers.get(node.name, ()):
            if consumer.op == "AssignVariableOp" and index == 0:
                node = origin(Place(graph.main), data_inputs(consumer)[1], _HANDLES)
    return str(node.name) if node is not None and _is_in_main(graph, node) else ""


def _is_in_main(graph: Graph, node: Any) -> bool:
    return graph.main.nodes.get(node.name) is node


def _lines(graph: Graph, use: Use, dtype: str, read_asset: ReadAsset) -> Iterator[Any]:
    """Yield the keys in a file of one key a line, or a table of columns."""
    content = read_asset(_filename(graph, use))
    column, size = int(use.node.attr["key_index"].i), int(use.node.attr["vocab_size"].i)
    if content is None or column < _WHOLE_LINE or column == -1:  # the line's number
        return
    delimiter = use.node.attr["delimiter"].s or b"\t"
    lines = content.replace(b"\r", b"").removesuffix(b"\n").split(b"\n")
    for line in lines[:size] if size > 0 else lines:
        cells = [line] if column == _WHOLE_LINE else line.split(delimiter)
        key = cells[max(column, 0)] if max(column, 0) < len(cells) else None
        if dtype == "string" and key is not None:
            yield key
        elif key is not None and _INTEGER.fullmatch(key):
            yield int(key)
