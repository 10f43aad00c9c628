"""The strength of a contract: of the mutations that apply to it, how many its checks notice."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pytest_tfsig import checks, progress
from pytest_tfsig.mutations.mutation import Circumstances, Seen
from pytest_tfsig.mutations.registry import mutations
from pytest_tfsig.mutations.remedies import Remedy, Witness, remedy
from pytest_tfsig.mutations.tap import Tap
from pytest_tfsig.mutations.trial import BLIND, COMPARING, Clock, Fault, in_order, notice, probe, run, tapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_tfsig.checks import Check, Outcome, Subject
    from pytest_tfsig.mutations.mutation import Mutation
    from pytest_tfsig.mutations.tap import Exhibit

_UNTIMED = frozenset({"first_request", "error_rate"})
"""Budgets that say nothing of how long a request of many may take."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one mutation.

    Attributes:
        mutation: Its name.
        output: The output that it changed; "" for answers as a whole.
        description: What callers would meet.
        verdict: `killed`: a check noticed it; `survived`: none did; `not_applicable`: it changes no answer here.
        check: The check that noticed it.
        message: What that check said, or why it does not apply.
        remedy: The line that would have it noticed, for one that survived; None where no line would.
    """

    mutation: str
    output: str
    description: str
    verdict: Literal["killed", "survived", "not_applicable"]
    check: str = ""
    message: str = ""
    remedy: Remedy | None = None

    @property
    def name(self) -> str:
        """The mutation and where it strikes: "scaled(probabilities)"."""
        return f"{self.mutation}({self.output})" if self.output else self.mutation

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        return {
            "mutation": self.mutation,
            "output": self.output,
            "description": self.description,
            "verdict": self.verdict,
            "check": self.check,
            "message": self.message,
            "remedy": None if self.remedy is None else self.remedy.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong a contract is.

    Attributes:
        findings: One for each mutation, in the order of the registry.
        broken: Why it was not measured: the check that does not hold for the unmutated model; "" where all do.
        requests: How many requests it took.
    """

    findings: tuple[Finding, ...] = ()
    broken: str = ""
    requests: int = 0

    @property
    def killed(self) -> int:
        """How many mutations a check noticed."""
        return sum(finding.verdict == "killed" for finding in self.findings)

    @property
    def survivors(self) -> tuple[Finding, ...]:
        """The mutations that no check noticed."""
        return tuple(finding for finding in self.findings if finding.verdict == "survived")

    @property
    def applied(self) -> int:
        """How many mutations apply."""
        return self.killed + len(self.survivors)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        return {
            "killed": self.killed,
            "survived": len(self.survivors),
            "not_applicable": len(self.findings) - self.applied,
            "mutations": [finding.as_dict() for finding in self.findings],
        }


def measure(
    subject: Subject, *, only: tuple[str, ...] = (), skip: tuple[str, ...] = (), known: Iterable[Mutation] | None = None
) -> Strength:
    """Tries every mutation on a contract.

    Args:
        subject: The served model and its contract. Nothing of it is changed.
        only: Where not empty, no other checks count.
        skip: Checks that do not count.
        known: The mutations to try; None: all.
    """
    off = frozenset(name for name in checks.checks() if name in skip or (only and name not in only))
    unselected = frozenset(name for name in off if subject.signature.checks.get(name) is not False)
    stated = {**subject.signature.checks, **dict.fromkeys(off, False)}
    subject = replace(subject, signature=replace(subject.signature, checks=stated))
    # What is heard of is how far the mutations have come, not each of their checks.
    token = progress.listener.set(None)
    try:
        return _Measurement(subject, tuple(mutations().values() if known is None else known), unselected).run()
    finally:
        progress.listener.reset(token)


@dataclass(slots=True)
class _Measurement:
    """One contract, and what has been found out about it so far."""

    subject: Subject
    known: tuple[Mutation, ...]
    unselected: frozenset[str] = frozenset()
    genuine: list[Exhibit] = field(default_factory=list)
    p99: float | None = None
    requests: int = 0
    _clock: Clock = field(default_factory=Clock)
    is_timed: bool = False

    @property
    def clock(self) -> Clock | None:
        """What tells the time without waiting; None where requests come by a schedule, which has to be waited for."""
        return self._clock if all(budget.rate is None for budget in self.subject.signature.latency) else None

    def run(self) -> Strength:
        self.subject.meter.phase("the contract as it is")
        broken = self._unmutated()
        if broken:
            return Strength(broken=broken, requests=self.requests)
        circumstances = self._circumstances()
        findings: list[Finding] = []
        for number, mutation in enumerate(self.known, 1):
            self.subject.meter.phase(f"mutation {number} of {len(self.known)}, {mutation.name}")
            findings += self._tried(mutation, circumstances)
        return Strength(tuple(findings), requests=self.requests)

    def _unmutated(self) -> str:
        """Runs the checks on the unmutated model; returns what does not hold, "" where all does."""
        tap = Tap(lambda call: call.proceed(), keep_all=True)
        subject = tapped(self.subject, tap)
        for entry in (*in_order(self._entries()), *self._timing()):
            outcome = run(entry, subject)
            if outcome.verdict == "inconclusive":
                continue
            if outcome.verdict not in {"pass", "skip"}:
                return f"{entry.name}: {outcome.message}"
            if entry.name == "latency" and outcome.verdict == "pass":
                self.is_timed = True
                self.p99 = _slowest_percent(outcome)
        self.genuine = tap.exhibits
        self.requests += tap.asked
        return ""

    def _entries(self) -> list[Check]:
        """Returns the checks that look at answers."""
        return [entry for entry in self._applicable() if entry.name not in BLIND and entry.name != "latency"]

    def _timing(self) -> list[Check]:
        return [entry for entry in self._applicable() if entry.name == "latency"]

    def _applicable(self) -> list[Check]:
        return [
            entry
            for entry in checks.applicable(self.subject.signature)
            if self.subject.baseline is not None or not entry.against_baseline
        ]

    def _circumstances(self) -> Circumstances:
        seen: dict[str, Seen] = {}
        for exhibit in self.genuine:
            for name, array in exhibit.genuine.items():
                seen.setdefault(name, Seen()).add(array)
        limits = [budget.limit_seconds for budget in self.subject.signature.latency if budget.metric not in _UNTIMED]
        return Circumstances(
            self.subject.signature,
            self.subject.spec,
            seen,
            rest=self.subject.model.rest_url is not None,
            version=self.subject.model.version,
            slow=2 * max(limits) if limits and self.is_timed else None,
            wait=time.sleep if self.clock is None else self.clock.wait,
        )

    def _tried(self, mutation: Mutation, circumstances: Circumstances) -> Iterator[Finding]:
        outputs = mutation.applies(circumstances)
        if not outputs:
            description = mutation.description.format(output="…")
            yield Finding(mutation.name, "", description, "not_applicable", message=f"it needs {mutation.needs}")
        for output in outputs:
            yield self._judged(Fault(mutation, output), circumstances)

    def _judged(self, fault: Fault, circumstances: Circumstances) -> Finding:
        mutation = fault.mutation
        entries = self._timing() if mutation.timed else self._entries()
        if mutation.constant:
            entries = [entry for entry in entries if entry.name not in COMPARING]
        tap = fault.tap(circumstances)
        subject = tapped(self.subject, tap)
        if mutation.timed and self.clock is not None:
            subject.settings = replace(subject.settings, clock=self.clock)
        noticed = notice(in_order(entries, mutation.likely), subject)
        finding = Finding(mutation.name, fault.output, fault.description, "survived")
        if noticed is None and not tap.changed and not mutation.timed:
            probe(subject)
        self.requests += tap.asked
        if noticed is not None:
            return replace(finding, verdict="killed", check=noticed.check, message=noticed.message)
        if not tap.changed and not mutation.timed:
            return replace(finding, verdict="not_applicable", message="it changes no answer")
        witness = Witness(self.subject, circumstances, fault, tap, self.genuine, self.p99, self.unselected)
        return replace(finding, remedy=remedy(witness))


def _slowest_percent(outcome: Outcome) -> float | None:
    """Returns the largest p99 that the latency check measured."""
    budgets: Sequence[Mapping[str, Any]] = outcome.details.get("budgets", ())
    found = [budget["sample"]["percentiles"].get("p99") for budget in budgets]
    values = [each["value"] for each in found if each is not None and each["value"] is not None]
    return max(values, default=None)
