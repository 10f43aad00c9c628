"""The options of the pytest plugin, each with its ini twin; the command line wins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_Number = TypeVar("_Number", int, float)
Kind = Literal["string", "args", "paths", "bool"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `--tfsig-NAME` on the command line and `tfsig_NAME` in an ini file."""

    name: str
    help: str
    metavar: str = ""
    repeatable: bool = False
    flag: bool = False

    @property
    def ini(self) -> str:
        """Its name in an ini file, which is also where pytest keeps its value."""
        return f"tfsig_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("model", "serve this SavedModel instead of the ones that markers and contract files name", "PATH"),
    Option(
        "audit", "run every check against the signatures of this SavedModel; may be repeated", "PATH", repeatable=True
    ),
    Option("server", "auto (default), container, binary, embedded, or HOST:PORT of a running server", "SERVER"),
    Option("image", "the image that a container runs (default: a pinned tensorflow/serving)", "IMAGE"),
    Option("rest", "HOST:PORT of the REST API of a running server", "HOST:PORT"),
    Option("baseline", "the released version, which the model under test must not break", "PATH"),
    Option("max-examples", "inputs drawn for each check (default: 100)", "N"),
    Option("report", "write report.json into this folder", "DIR"),
    Option("update", "rewrite recorded examples with what the model answers now", flag=True),
    Option("mutate", "measure how strong the contracts are", flag=True),
    Option(
        "op-library",
        "custom ops for the embedded server: a library or a package; may be repeated",
        "PATH",
        repeatable=True,
    ),
    Option("start-timeout", "seconds that a server may take to start, and a model to load (default: 60)", "SECONDS"),
    Option("request-timeout", "seconds that an answer may take (default: 60)", "SECONDS"),
    Option("inconclusive", "what an undecided latency budget does: fail (default), pass or skip", "WORD"),
)


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
        mutate: Whether contract strength is measured.
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
    mutate: bool = False
    op_library: tuple[str, ...] = ()
    start_timeout: float = 60.0
    request_timeout: float = 60.0
    inconclusive: Literal["fail", "pass", "skip"] = "fail"

    @property
    def is_remote(self) -> bool:
        """Whether models are names on a running server rather than paths."""
        return self.server not in {"auto", "container", "binary", "embedded"}


def add(parser: pytest.Parser) -> None:
    """Declares every option and its ini twin."""
    group = parser.getgroup("tfsig", "contracts of served TensorFlow models (pytest-tfsig)")
    for option in OPTIONS:
        action = "store_true" if option.flag else "append" if option.repeatable else "store"
        keywords: dict[str, Any] = {} if option.flag else {"metavar": option.metavar}
        group.addoption(
            f"--tfsig-{option.name}", action=action, dest=option.ini, default=None, help=option.help, **keywords
        )
        kind: Kind = "bool" if option.flag else "args" if option.repeatable else "string"
        parser.addini(option.ini, option.help, type=kind, default=None)


def read(config: pytest.Config) -> Options:
    """Returns the options of a run.

    Raises:
        UsageError: A value is not one that the option can have.
    """

    def value(name: str) -> Any:
        ini = f"tfsig_{name}"
        given = config.getoption(ini)
        return config.getini(ini) if given is None else given

    def path(name: str) -> str | None:
        """An ini file's relative paths are relative to it, those of the command line to the current directory."""
        given = config.getoption(f"tfsig_{name}")
        stated = config.getini(f"tfsig_{name}")
        if given is None and stated and config.inipath is not None:
            return str(config.inipath.parent / stated)
        return cast("str | None", given or stated or None)

    server = str(value("server") or "auto")
    remote = server not in {"auto", "container", "binary", "embedded"}
    report = path("report")
    return Options(
        model=(value("model") or None) if remote else path("model"),
        audit=tuple(value("audit") or ()),
        server=server,
        image=value("image") or None,
        rest=value("rest") or None,
        baseline=path("baseline"),
        max_examples=_number("max-examples", value("max_examples"), 100, int),
        report=Path(report) if report else None,
        update=bool(value("update")),
        mutate=bool(value("mutate")),
        op_library=tuple(value("op_library") or ()),
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


def _inconclusive(given: Any) -> Literal["fail", "pass", "skip"]:
    word = given or "fail"
    if word not in {"fail", "pass", "skip"}:
        raise UsageError(f"--tfsig-inconclusive {word}: write fail, pass or skip")
    return cast("Literal['fail', 'pass', 'skip']", word)
