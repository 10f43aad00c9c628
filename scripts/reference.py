"""The reference of the documentation, made from the code; mkdocs calls it as a hook for each page.

A page says `<!-- reference: options -->` where the options are wanted.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import io
import re
from contextlib import redirect_stdout, suppress
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_tfsig import Feature, LatencyBudget, Signature, Tensor
from pytest_tfsig.checks.registry import checks as registered
from pytest_tfsig.cli import main
from pytest_tfsig.contract.latency import METRICS
from pytest_tfsig.contract.relations import KINDS
from pytest_tfsig.declared import OPTIONS
from pytest_tfsig.plugin import MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MARK = re.compile(r"<!-- reference: (\w+) -->")
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page with its references filled in; mkdocs calls it."""
    return _MARK.sub(lambda found: REFERENCES[found[1]](), markdown)


def options() -> str:
    """Returns the options of the pytest plugin as a table."""
    rows = []
    for option in OPTIONS:
        value = f"[={option.metavar}]" if option.bare is not None else f" {option.metavar}" if option.metavar else ""
        usage = f"--tfsig-{option.name}{value}"
        rows.append((f"`{usage}`", f"`{option.ini}`", option.explanation))
    return _table(("option", "ini", "what it does"), rows)


def markers() -> str:
    """Returns the markers as a table."""
    return _table(("marker", "what it says"), [(f"`{mark}`", text) for mark, text in map(_marker, MARKERS)])


def checks() -> str:
    """Returns every check: what it proves, how, and its options."""
    parts = []
    for name, check in registered().items():
        parts.append(f"## `{name}`\n\nHolds when {check.holds_when}.\n\n{_prose(inspect.getdoc(check.run) or '')}\n")
        rows = [(f"`{key}`", _default(value)) for key, value in check.options.items()]
        parts.append(_table(("option", "default"), rows) if rows else "It has no options.\n")
    return "\n".join(parts)


def contract() -> str:
    """Returns the keys of contract files, table by table."""
    budget = [key for key in _keys(LatencyBudget) if key[0] not in {"`metric`", "`limit_seconds`"}]
    bounds = ", ".join(f"`{metric}`" for metric in METRICS)
    tables = (
        ("[signatures.NAME]", [key for key in _keys(Signature) if key[0] != "`name`"]),
        ("[signatures.NAME.inputs.INPUT] and [signatures.NAME.outputs.OUTPUT]", _keys(Tensor)),
        ("[signatures.NAME.inputs.INPUT.features.FEATURE]", _keys(Feature)),
        ("[[signatures.NAME.latency]]", [(bounds, "", "The bounds; at least one."), *budget]),
    )
    parts = [f"### `{title}`\n\n{_table(('key', 'default', 'what it says'), rows)}" for title, rows in tables]
    for kind, form in KINDS.items():
        head = f'### `[[signatures.NAME.relations]]`, `kind = "{kind}"`'
        rows = [(f"`{field.name}`", _field_default(field)) for field in dataclasses.fields(form)]
        about = _prose((inspect.getdoc(form) or "").split("\n\n")[0])
        parts.append(f"{head}\n\n{about}\n\n{_table(('key', 'default'), rows)}")
    return "\n".join(parts)


def commands() -> str:
    """Returns the help of the tfsig command and of each of its commands."""
    overview = _help([])
    names = re.findall(r"^    (\w[\w-]*) ", overview, re.MULTILINE)
    parts = [f"```text\n{overview}\n```\n"]
    parts += [f"## `tfsig {name}`\n\n```text\n{_help([name])}\n```\n" for name in names]
    return "\n".join(parts)


def schema() -> str:
    """Returns the schema of report.json."""
    text = (resources.files("pytest_tfsig.reports") / "report.schema.json").read_text(encoding="utf-8")
    return f"```json\n{text}```\n"


REFERENCES = {
    "options": options,
    "markers": markers,
    "checks": checks,
    "contract": contract,
    "commands": commands,
    "schema": schema,
}


def _help(command: list[str]) -> str:
    output = io.StringIO()
    with redirect_stdout(output), suppress(SystemExit):
        main([*command, "--help"])
    return output.getvalue().strip()


def _marker(text: str) -> tuple[str, str]:
    usage, _, about = text.partition("): ")
    return f"{usage})", about


def _keys(form: type[Any]) -> list[tuple[str, str, str]]:
    """Returns name, default and meaning of each field of a contract's dataclass, from its docstring."""
    about = {name: " ".join(text.split()) for name, text in _ENTRY.findall(inspect.getdoc(form) or "")}
    return [
        (f"`{field.name}`", _field_default(field), _prose(about[field.name]))
        for field in dataclasses.fields(form)
        if field.name in about
    ]


def _field_default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "empty"
    return "" if field.default is dataclasses.MISSING else _default(field.default)


def _default(value: object) -> str:
    if value is None or value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else repr(value)}`".replace("'", '"')


def _prose(docstring: str) -> str:
    """Returns a docstring without its sections, as Markdown."""
    return re.split(r"\n\n(?:Args|Raises|Returns):", docstring.replace("``", "`"))[0]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(head)} |"
        yield f"|{' --- |' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    return "\n".join(lines()) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", choices=REFERENCES)
    print(REFERENCES[parser.parse_args().reference]())
