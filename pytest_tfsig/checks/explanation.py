"""What a check proves, in the terminal: `tfsig explain`."""

from __future__ import annotations

import inspect
import textwrap

from pytest_tfsig.checks.causes import CAUSES
from pytest_tfsig.checks.registry import checks
from pytest_tfsig.errors import UsageError


def overview() -> str:
    """Returns every check with what it holds when, a line each."""
    known = checks()
    width = max(map(len, known))
    return "\n".join(f"{name.ljust(width)}  {entry.holds_when}" for name, entry in known.items())


def explain(name: str) -> str:
    """Returns what one check proves, how, with which options, and the known causes of failures.

    Raises:
        UsageError: There is no such check.
    """
    known = checks()
    if name not in known:
        raise UsageError(f"there is no check {name!r}; it is one of {', '.join(known)}")
    entry = known[name]
    parts = [f"{name}: holds when {entry.holds_when}.", inspect.getdoc(entry.run) or ""]
    parts.append(
        "Options, in [signatures.NAME.checks]:\n"
        + "\n".join(f"  {name} = {{ {key} = … }}  (default: {_default(value)})" for key, value in entry.options.items())
        if entry.options
        else f"It has no options; {name} = false in [signatures.NAME.checks] switches it off."
    )
    causes = "\n".join(textwrap.indent(textwrap.fill(f"{cause.advice}", 100), "    ") for cause in CAUSES)
    if name in {"loads", "outputs"}:
        parts.append(f"Causes that are known by the server's words, and what to do:\n{causes}")
    return "\n\n".join(part for part in parts if part)


def _default(value: object) -> str:
    if value is None:
        return "derived from dtype and magnitude"
    return str(value).lower() if isinstance(value, bool) else repr(value)
