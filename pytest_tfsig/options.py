"""What the user asked for: the plugin's options as values, read from command line and ini file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pytest_tfsig.declared import located, stated
from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

SERVERS = frozenset({"auto", "container", "binary", "embedded"})
"""What --tfsig-server can say beside the address of a running server."""

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for.

    Attributes:
        model: The model that overrides all others, or None.
        audit: Models to judge without test code.
        server: What serves.
        image: The image of a container, or None for the default.
        rest: The REST address of a remote server, or None.
        baseline: The released version, or None.
        max_examples: Inputs drawn for each check.
        report: Where to write reports, or None.
        update: Whether recorded examples are rewritten.
        mutate: The percentage of mutations that a contract must notice; 0: any; None: its strength is not measured.
        op_library: Libraries of custom ops.
        start_timeout: Seconds for a server to start.
        request_timeout: Seconds for an answer.
        inconclusive: What an undecided budget does.
    """

    model: str | None = None
    audit: tuple[str, ...] = ()
    server: str = "auto"
    image: str | None = None
    rest: str | None = None
    baseline: str | None = None
    max_examples: int = 100
    report: Path | None = None
    update: bool = False
    mutate: float | None = None
    op_library: tuple[str, ...] = ()
    start_timeout: float = 60.0
    request_timeout: float = 60.0
    inconclusive: Literal["fail", "pass", "skip"] = "fail"

    @property
    def is_remote(self) -> bool:
        """Whether models are names on a running server rather than paths."""
        return self.server not in SERVERS


def read(config: pytest.Config) -> Options:
    """Returns the options of a run.

    Raises:
        UsageError: A value is not one that the option can have.
    """

    def value(name: str) -> Any:
        return stated(config, name)

    server = _server(value("server"))
    remote = server not in SERVERS
    report = located(config, "report")
    return Options(
        model=(value("model") or None) if remote else located(config, "model"),
        audit=tuple(located(config, "audit") or ()),
        server=server,
        image=value("image") or None,
        rest=value("rest") or None,
        baseline=(value("baseline") or None) if remote else located(config, "baseline"),
        max_examples=_number("max-examples", value("max_examples"), 100, int),
        report=Path(report) if report else None,
        update=bool(value("update")),
        mutate=_percentage(value("mutate")),
        op_library=_libraries(value("op_library") or (), located(config, "op_library") or ()),
        start_timeout=_number("start-timeout", value("start_timeout"), 60.0, float),
        request_timeout=_number("request-timeout", value("request_timeout"), 60.0, float),
        inconclusive=_inconclusive(value("inconclusive")),
    )


def _number(name: str, given: Any, default: _Number, kind: Callable[[Any], _Number]) -> _Number:
    if given in {None, ""}:
        return default
    try:
        number = kind(given)
    except ValueError:
        number = kind(0)
    if not 0 < number < float("inf"):
        raise UsageError(f"--tfsig-{name} {given}: a number above 0 is wanted, such as {default}")
    return number


def _percentage(given: Any) -> float | None:
    """Returns what --tfsig-mutate asks for; in an ini file it is switched on and off by a word, too."""
    word = str(given or "").strip().lower()
    if word in {"", "false", "no", "off"}:
        return None
    if word in {"true", "yes", "on"}:
        return 0.0
    try:
        percent = float(word.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:  # noqa: PLR2004 - percent
        raise UsageError(
            f"--tfsig-mutate {given}: a percentage from 0 to 100 is wanted, as in --tfsig-mutate=90; to measure alone, "
            "put it behind the tests that are named, or write --tfsig-mutate=0"
        )
    return percent


def _libraries(named: Iterable[str], located: Iterable[str]) -> tuple[str, ...]:
    """Returns libraries of ops: files, where there are such, else names of packages."""
    return tuple(path if Path(path).exists() else name for name, path in zip(named, located, strict=True))


def _server(given: Any) -> str:
    server = str(given or "auto")
    if server not in SERVERS:
        from pytest_tfsig.serving.availability import is_address

        if not is_address(server):
            raise UsageError(
                f"--tfsig-server {server}: {server!r} is no server: write auto, container, binary, embedded or "
                "HOST:PORT"
            )
    return server


def _inconclusive(given: Any) -> Literal["fail", "pass", "skip"]:
    word = given or "fail"
    if word not in {"fail", "pass", "skip"}:
        raise UsageError(f"--tfsig-inconclusive {word}: write fail, pass or skip")
    return cast("Literal['fail', 'pass', 'skip']", word)
