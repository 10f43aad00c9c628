"""The registry of checks: ours, and those that users add with a decorator."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_tfsig.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_tfsig.contract import Signature


@dataclass(frozen=True, slots=True)
class Check:
    """One property with a stable name.

    Attributes:
        name: As in contract files, item ids and reports.
        holds_when: One sentence: what is true of a model that passes.
        run: An inspection, `run(subject, observation, **options)`, which looks at one request and its answer and raises
            Violation (or any AssertionError) where they are wrong; or a procedure, `run(subject, **options)`, which
            does its own asking and returns an Outcome, or raises Violation. Keyword-only parameters are options.
        inspects: Whether `run` is an inspection, fed by the pass that all inspections share.
        wanted: Whether the check applies to a contract at all; asked at collection.
        against_baseline: Whether it compares with the released version, and is left out where none is given.
        alone: Whether it wants a server that no other process sends requests to: it may bring it down, or times what
            others would slow.
    """

    name: str
    holds_when: str
    run: Callable[..., Any]
    inspects: bool
    wanted: Callable[[Signature], bool]
    against_baseline: bool = False
    alone: bool = False

    @property
    def options(self) -> Mapping[str, Any]:
        """The check's options with their defaults, by name."""
        parameters = inspect.signature(self.run).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


_CHECKS: dict[str, Check] = {}
_MODULES = (
    "loads",
    "signature",
    "outputs",
    "finite",
    "values",
    "deterministic",
    "batch_invariant",
    "rejects_invalid",
    "transports_agree",
    "concurrent",
    "warmup",
    "relations",
    "latency",
    "compatible",
    "drift",
    "no_slower",
    "swap",
    "examples",
)
"""Our own checks, one module each, in the order in which they run: what explains most comes first."""


def _always(_: Signature) -> bool:
    return True


def register(
    name: str,
    *,
    holds_when: str,
    inspects: bool,
    wanted: Callable[[Signature], bool] = _always,
    against_baseline: bool = False,
    alone: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Returns a decorator that registers a function as the check `name`."""

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        _CHECKS[name] = Check(name, holds_when, run, inspects, wanted, against_baseline, alone)
        return run

    return decorate


def check(
    name: str | Callable[..., Any], *, holds_when: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a check of the user's own, run for every contract beside ours.

    The function is called as `function(subject, observation, **options)` for every drawn request and its answer
    (`observation.inputs` and `observation.outputs`, arrays by name) and raises AssertionError where the answer is
    wrong; the smallest inputs that make it raise are reported. Keyword-only parameters are options that contract files
    may set.

    Args:
        name: The check's name: a new one, of letters, digits and underscores.
        holds_when: What is true of a model that passes; the function's docstring where not given.

    Raises:
        UsageError: The name is missing, taken or malformed.
    """
    if callable(name):
        raise UsageError(f'a check needs a name: write @check("{name.__name__}"), with what it is called in contracts')
    if not name.isidentifier():
        raise UsageError(f"{name!r} cannot name a check: use letters, digits and underscores, as in 'price_is_rounded'")
    if name in names():
        raise UsageError(f"a check named {name!r} exists already: choose another name")

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        summary = holds_when or (inspect.getdoc(run) or name).splitlines()[0]
        return register(name, holds_when=summary, inspects=True)(run)

    return decorate


def checks() -> Mapping[str, Check]:
    """Returns every check by name, in the order in which they run."""
    for module in _MODULES:
        import_module(f"pytest_tfsig.checks.{module}")
    ours = {name: _CHECKS[name] for name in _MODULES if name in _CHECKS}
    return ours | _CHECKS


def names() -> tuple[str, ...]:
    """Returns the names of all checks."""
    return tuple(checks())


def applicable(signature: Signature, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> list[Check]:
    """Returns the checks that a contract asks for, in order.

    Args:
        signature: The contract of one signature; its `checks` switch checks off or give them options.
        only: Where not empty, no other checks.
        skip: Checks left out.

    Raises:
        ContractError: An unknown check or option is named.
    """
    known = checks()
    for name in (*signature.checks, *only, *skip):
        if name not in known:
            raise ContractError(f"there is no check {name!r}; {_nearest(name, known)}")
    for name, options in signature.checks.items():
        if not isinstance(options, bool):
            _known_options(known[name], options)
    return [
        entry
        for name, entry in known.items()
        if name not in skip
        and (not only or name in only)
        and signature.checks.get(name) is not False
        and entry.wanted(signature)
    ]


def _known_options(entry: Check, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if key not in entry.options:
            if not entry.options:
                raise ContractError(f"checks.{entry.name} has no options; {key!r} was given")
            raise ContractError(f"checks.{entry.name} has no option {key!r}; {_nearest(key, entry.options)}")
        default = entry.options[key]
        kind = int | float if default is None or isinstance(default, float) else type(default)
        if isinstance(value, bool) != isinstance(default, bool) or not isinstance(value, kind):
            raise ContractError(f"checks.{entry.name}.{key} = {value!r} is not of the type of its default, {default!r}")


def options_of(entry: Check, signature: Signature) -> Mapping[str, Any]:
    """Returns the options that a contract gives a check."""
    stated = signature.checks.get(entry.name, {})
    return {} if isinstance(stated, bool) else stated


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it is one of {', '.join(known)}"
