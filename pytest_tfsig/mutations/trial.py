"""A trial: one mutation between server and checks, and which check notices it."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pytest_tfsig import checks
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import TfsigError
from pytest_tfsig.mutations.model import TappedModel
from pytest_tfsig.mutations.tap import Tap
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_tfsig.checks import Check, Outcome, Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.mutations.mutation import Circumstances, Mutation
    from pytest_tfsig.serving import ServedModel

BLIND = frozenset({"signature", "compatible", "no_slower", "swap"})
"""Checks that look at no answer, or at how a server fares with two versions of it."""
_ORDER = (
    "loads",
    "outputs",
    "finite",
    "values",
    "examples",
    "deterministic",
    "batch_invariant",
    "relations",
    "transports_agree",
    "drift",
    "rejects_invalid",
)
"""Cheap checks first; what is not named comes behind."""
COMPARING = frozenset(
    {"loads", "deterministic", "batch_invariant", "transports_agree", "concurrent", "rejects_invalid"}
)
"""Checks to which it is all the same what an answer is, as long as it is the same one again."""
_PROBES, _OVER_REST, _CALLERS = 40, 4, 4


@dataclass(frozen=True, slots=True)
class Fault:
    """A mutation where it strikes.

    Attributes:
        mutation: The mutation.
        output: The output that it changes; `WHOLE` for answers as a whole.
    """

    mutation: Mutation
    output: str

    @property
    def description(self) -> str:
        """What callers would meet."""
        return self.mutation.description.format(output=self.output)

    def tap(self, circumstances: Circumstances) -> Tap:
        """Returns a tap with the mutation at work, that remembers nothing of an earlier one."""
        mutation = self.mutation
        restate = None if mutation.states is None else mutation.states(circumstances)
        return Tap(mutation.begin(circumstances, self.output), restate)


@dataclass(frozen=True, slots=True)
class Notice:
    """The first check that noticed a fault.

    Attributes:
        check: Its name.
        message: What it said.
    """

    check: str
    message: str


class Clock:
    """Tells the time as it would be if every wait had been waited for: waits cost nothing.

    Each thread has a time of its own, as far as its own waits have put it ahead. Callers that share a schedule cannot
    be told the time so.
    """

    def __init__(self) -> None:
        self._ahead = threading.local()

    def __call__(self) -> float:
        """Returns the time in seconds."""
        return time.perf_counter() + getattr(self._ahead, "seconds", 0.0)

    def wait(self, seconds: float) -> None:
        """Lets time pass for this thread."""
        self._ahead.seconds = getattr(self._ahead, "seconds", 0.0) + seconds


def tapped(subject: Subject, tap: Tap, signature: Signature | None = None) -> Subject:
    """Returns a subject whose answers come through a tap.

    It shares nothing with the original that a check could change: no pass, no memory of failing inputs, no files.

    Args:
        subject: Whose answers they are.
        tap: Where they pass through.
        signature: The contract to hold them against, where it is another.
    """
    settings = replace(subject.settings, database=None, files=None, update=False, hasty=True)
    contract = subject.signature if signature is None else signature
    model = cast("ServedModel", TappedModel(subject.model, contract.name, tap))
    return replace(subject, model=model, signature=contract, settings=settings, repeats=True, _pass=None)


def run(entry: Check, subject: Subject) -> Outcome:
    """Runs a check; one that stumbles over an answer it did not expect has noticed it, too."""
    try:
        return checks.run(entry, subject)
    except Exception as error:  # noqa: BLE001 - whatever a check raises, its test item would not have passed
        return checks.Outcome("error", f"the check raised {type(error).__name__}: {error}")


def notice(entries: Iterable[Check], subject: Subject) -> Notice | None:
    """Returns the first check that does not hold, None where all do."""
    for entry in entries:
        outcome = run(entry, subject)
        if outcome.verdict not in {"pass", "skip"}:
            return Notice(entry.name, outcome.message)
    return None


def in_order(entries: Iterable[Check], likely: Sequence[str] = ()) -> list[Check]:
    """Returns checks with the likely ones first and then the cheap ones."""
    ranks = {name: rank for rank, name in reversed(list(enumerate((*likely, *_ORDER))))}
    return sorted(entries, key=lambda entry: ranks.get(entry.name, len(ranks) + len(_ORDER)))


def probe(subject: Subject) -> None:
    """Sends what checks send, for a mutation that no check met: those that would have are switched off.

    Requests one at a time, over REST too, malformed, and in parallel; whatever comes of them.
    """
    requests = list(draws(subject.signature, _PROBES, subject.settings.seed))
    for inputs in requests:
        subject.observe(inputs)
    if subject.model.rest_url is not None:
        for inputs in requests[:_OVER_REST]:
            with suppress(TfsigError):
                subject.ask(inputs, transport="rest")
    with suppress(TfsigError):
        subject.ask(_malformed(requests[0]))
    with suppress(ServingError):
        subject.model.status()
    with ThreadPoolExecutor(_CALLERS) as pool:
        list(pool.map(subject.observe, itertools.islice(itertools.cycle(requests), 4 * _CALLERS)))


def _malformed(inputs: Any) -> Any:
    if "examples" in inputs and isinstance(inputs["examples"], list):
        return {"examples": []}
    return {f"{name}_": value for name, value in inputs.items()}
