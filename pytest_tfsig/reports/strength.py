"""Contract strength in reports: what a contract notices of a set of mutations, and the lines that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_tfsig.reports.result import ModelIdentity, Result

CHECK = "strength"
"""What the item that measures it is called, and the key of its details."""


def of(result: Result) -> Mapping[str, Any] | None:
    """Returns what a result has to say of its contract's strength, None where it measured none."""
    found: Mapping[str, Any] | None = result.details.get(CHECK) if result.check == CHECK else None
    return found if found is not None and found["mutations"] else None


def entries(results: Sequence[Result], numbers: Mapping[ModelIdentity, int]) -> list[dict[str, Any]]:
    """Returns the list `strength` of report.json.

    Args:
        results: Of the run.
        numbers: The place of each model in the report.
    """
    return [
        {
            "model": result.model.name,
            "model_index": numbers[result.model],
            "signature": result.signature,
            "contract": result.contract,
            **measured,
        }
        for result in results
        if (measured := of(result)) is not None
    ]


def without(details: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a result's details without what the report says in its list `strength`."""
    return {key: value for key, value in details.items() if key != CHECK}


def lines(results: Sequence[Result]) -> Iterator[tuple[str, bool]]:
    """Yields the lines of the terminal's section, each with whether it is about something that survived."""
    for result in results:
        if result.check != CHECK:
            continue
        source = f" ({result.contract})" if result.contract else ""
        yield f"{result.model.title} {result.signature}{source} {result.message}", False
        measured = of(result)
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for entry in [] if measured is None else survivors(measured):
            groups.setdefault(advice(entry, in_file=result.contract.endswith(".toml")), []).append(entry)
        for told, group in groups.items():
            yield from ((f"  survived  {name(entry)}: {entry['description']}", True) for entry in group)
            yield f"            {told}", False


def survivors(measured: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the mutations that no check noticed."""
    return [entry for entry in measured["mutations"] if entry["verdict"] == "survived"]


def name(entry: Mapping[str, Any]) -> str:
    """Returns a mutation and where it strikes: "scaled(probabilities)"."""
    return f"{entry['mutation']}({entry['output']})" if entry["output"] else str(entry["mutation"])


def advice(entry: Mapping[str, Any], *, in_file: bool = True) -> str:
    """Returns the line that would have a mutation noticed, as its contract would state it.

    Args:
        entry: A mutation that survived.
        in_file: Whether the contract is a file; else it is a marker.
    """
    remedy = entry["remedy"]
    if remedy is None:
        return "no line of a contract would notice it"
    stated = f"[{remedy['table']}] {remedy['line']}" if in_file and remedy["table"] else remedy["marker"]
    return f"noticed with: {stated}" + (f", after: {remedy['first']}" if remedy["first"] else "")
