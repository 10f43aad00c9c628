"""The options of the pytest plugin as pytest is told of them, each with its ini twin; the command line wins.

This module is loaded in every pytest run of its environment: it declares and imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


class Option:
    """One option: `--tfsig-NAME` on the command line and `tfsig_NAME` in an ini file.

    Args:
        name: Without the prefix.
        explanation: What --help says.
        metavar: What stands for its value in --help.
        repeatable: Whether it may be given several times.
        flag: Whether it has no value.
        bare: What its value is where it is given without one; None: it needs one.
    """

    __slots__ = ("bare", "explanation", "flag", "metavar", "name", "repeatable")

    def __init__(
        self,
        name: str,
        explanation: str,
        metavar: str = "",
        *,
        repeatable: bool = False,
        flag: bool = False,
        bare: str | None = None,
    ) -> None:
        self.name = name
        self.explanation = explanation
        self.metavar = metavar
        self.repeatable = repeatable
        self.flag = flag
        self.bare = bare

    @property
    def key(self) -> str:
        """Its name as `stated` takes it: "max_examples"."""
        return self.name.replace("-", "_")

    @property
    def ini(self) -> str:
        """Its name in an ini file, which is also where pytest keeps its value."""
        return f"tfsig_{self.key}"


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
    Option("report", "write report.json, report.html, verdict.json and gl-code-quality.json into this folder", "DIR"),
    Option("update", "rewrite recorded examples with what the model answers now", flag=True),
    Option(
        "mutate",
        "measure how strong the contracts are: how many of a set of mutations they notice; with =PERCENT, fail below",
        "PERCENT",
        bare="0",
    ),
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


def add(parser: pytest.Parser) -> None:
    """Declares every option and its ini twin."""
    group = parser.getgroup("tfsig", "contracts of served TensorFlow models (pytest-tfsig)")
    for option in OPTIONS:
        action = "store_true" if option.flag else "append" if option.repeatable else "store"
        keywords: dict[str, Any] = {} if option.flag else {"metavar": option.metavar}
        if option.bare is not None:
            keywords |= {"nargs": "?", "const": option.bare}
        group.addoption(
            f"--tfsig-{option.name}",
            action=action,
            dest=option.ini,
            default=None,
            help=option.explanation,
            **keywords,
        )
        parser.addini(option.ini, option.explanation, type=_ini_type(option), default=None)


def _ini_type(option: Option) -> Any:
    return "bool" if option.flag else "args" if option.repeatable else "string"


def stated(config: pytest.Config, name: str) -> Any:
    """Returns an option's value as the command line or an ini file has it; None or empty where neither has."""
    given = config.getoption(f"tfsig_{name}")
    return config.getini(f"tfsig_{name}") if given is None else given


def located(config: pytest.Config, name: str) -> Any:
    """Returns an option's path, or paths: an ini file's are relative to it, those of the command line stay as typed."""
    given = config.getoption(f"tfsig_{name}")
    found = stated(config, name)
    if given is not None or not found or config.inipath is None:
        return found or None
    folder = config.inipath.parent
    return str(folder / found) if isinstance(found, str) else [str(folder / path) for path in found]
