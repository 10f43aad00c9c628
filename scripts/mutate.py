"""Runs mutmut so that it changes decorated functions, too.

mutmut passes over a function with a decorator, for a copy of it might register twice. Ours all could be written without
one: `@register(...)` before a check, `@property`, `@lru_cache` are calls with the function, made after it. So mutmut is
given each module with its decorators as calls, and the functions that decide verdicts are changed like any other.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import libcst
import mutmut.__main__ as program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LEFT = {"classmethod", "staticmethod", "overload"}
"""Decorators that mutmut copes with, or that are for type checkers alone."""


def undecorated(code: str) -> str:
    """Return a module in which what was `@decorator def f` is `def f` and `f = decorator(f)`."""
    module = libcst.parse_module(code)
    return module.with_changes(body=list(_undecorated(module.body))).code


def _undecorated(body: Sequence[Any]) -> Iterator[Any]:
    for statement in body:
        inner = statement.body if isinstance(statement, libcst.ClassDef) else None
        if isinstance(inner, libcst.IndentedBlock):
            yield statement.with_changes(body=inner.with_changes(body=list(_undecorated(inner.body))))
        elif isinstance(statement, libcst.FunctionDef) and not _names(statement) & _LEFT:
            yield statement.with_changes(decorators=[])
            value: Any = statement.name
            for decorator in reversed(statement.decorators):
                value = libcst.Call(decorator.decorator, [libcst.Arg(value)])
            if statement.decorators:
                assignment = libcst.Assign([libcst.AssignTarget(statement.name)], value)
                yield libcst.SimpleStatementLine([assignment])
        else:
            yield statement


def _names(function: libcst.FunctionDef) -> set[str]:
    return {one.decorator.value for one in function.decorators if isinstance(one.decorator, libcst.Name)}


def main() -> None:
    """Run mutmut with the command line given."""
    mutated = program.mutate_file_contents

    def mutate_file_contents(filename: str, code: str, *lines: Any) -> Any:
        return mutated(filename, undecorated(code), *lines)

    program.mutate_file_contents = mutate_file_contents
    program.cli()


if __name__ == "__main__":
    sys.exit(main())
