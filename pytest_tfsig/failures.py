"""Errors of ours in pytest's reports: what they say, and where in the user's own code they came about."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from pytest_tfsig.errors import TfsigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from _pytest._code.code import TerminalRepr, TracebackEntry

_PACKAGE: Final = Path(__file__).parent
_EXPLANATION: Final = "Explanation:"


def is_ours(error: BaseException | None) -> bool:
    """Whether an error is one of ours, whose text says all there is to say."""
    from_checks = getattr(type(error), "__module__", "") == "pytest_tfsig.checks.violation"
    return isinstance(error, TfsigError) or from_checks


def told(excinfo: pytest.ExceptionInfo[BaseException], root: Path | None = None) -> str:
    """Returns an error of ours as its text, in which nothing acts on the terminal: models' own words may be in it.

    Behind its own words stand the user's lines that led to it, and its notes: Hypothesis tells the falsifying example
    in one.

    Args:
        excinfo: The error.
        root: Where the user's code is: the rest of the traceback is ours, pytest's or some library's. None: the error
            needs no place.
    """
    from pytest_tfsig.reports.visible import visible

    places = () if root is None else _places(excinfo, root)
    notes = _notes(excinfo.value, root)
    return "\n".join([visible(str(excinfo.value)), *places, *map(visible, notes)])


def shown(excinfo: pytest.ExceptionInfo[BaseException], root: Path | None = None) -> TerminalRepr:
    """Returns an error of ours as pytest's reports hold errors: `told`, its first line and the user's last one.

    Of a plain text, pytest's summary would have all of it where it runs in CI: every failure twice.
    """
    text = told(excinfo, root).split("\n")
    form: Any = excinfo.getrepr(style="value", chain=False)
    form.reprtraceback.reprentries[-1].lines[:] = text
    if form.reprcrash is not None:
        form.reprcrash.message = text[0]
        for entry in _users(excinfo, root)[-1:]:
            form.reprcrash.path, form.reprcrash.lineno = str(entry.path), entry.lineno + 1
    return cast("TerminalRepr", form)


def _users(excinfo: pytest.ExceptionInfo[BaseException], root: Path | None) -> list[TracebackEntry]:
    """Returns the user's frames, the outermost first."""
    return [] if root is None else [entry for entry in excinfo.traceback if _is_users(Path(entry.path), root)]


def _places(excinfo: pytest.ExceptionInfo[BaseException], root: Path) -> Iterator[str]:
    """Yields the user's frames as pytest's short tracebacks write them."""
    users = _users(excinfo, root)
    for entry, following in zip(users, [*users[1:], None], strict=False):
        # Of a test that Hypothesis calls, pytest calls a wrapper of the same name.
        if following is None or (entry.path, entry.name) != (following.path, following.name):
            yield f"{Path(entry.path).relative_to(root)}:{entry.lineno + 1}: in {entry.name}"
            yield textwrap.indent(textwrap.dedent(str(entry.statement)), "    ")


def _notes(error: BaseException, root: Path | None) -> list[str]:
    """Returns an error's notes, without the lines that explain it to Hypothesis where none of them is the user's."""
    notes = list(getattr(error, "__notes__", ()))
    if root is None or _EXPLANATION not in notes:
        return notes
    first = notes.index(_EXPLANATION)
    end = next((i for i in range(first + 1, len(notes)) if not notes[i].startswith(" ")), len(notes))
    lines = [Path(note.strip().rpartition(":")[0]) for note in notes[first + 1 : end]]
    return notes if any(_is_users(line, root) for line in lines) else notes[:first] + notes[end:]


def _is_users(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and not path.is_relative_to(_PACKAGE) and "site-packages" not in path.parts
