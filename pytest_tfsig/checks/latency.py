"""latency: each budget of the contract holds, at its stated confidence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from pytest_tfsig.checks.batch_invariant import sizes_of_rows
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.latency import by_load, gate
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import LatencyBudget, Signature
    from pytest_tfsig.latency import BudgetVerdict, LoadShape


def _has_budgets(signature: Signature) -> bool:
    return bool(signature.latency)


@register(
    "latency",
    holds_when="each budget holds, at its stated confidence",
    inspects=False,
    wanted=_has_budgets,
    alone=True,  # it loads the model anew
)
def latency(subject: Subject, *, gate_under_xdist: bool = False) -> Outcome:
    """Samples the server under each load that the budgets name, and decides every budget.

    Where a budget bounds the first request, the model is loaded anew before its sample, so that it is cold.
    """
    if subject.saved_model is None and any(budget.metric == "first_request" for budget in subject.signature.latency):
        return Outcome("error", "first_request cannot be judged on a running server: its models are warm already")
    verdicts = [
        verdict
        for shape, budgets in by_load(subject.signature.latency).items()
        for verdict in _gated(subject, shape, budgets)
    ]
    return _outcome(verdicts, reported_only=subject.settings.under_xdist and not gate_under_xdist)


def _gated(subject: Subject, shape: LoadShape, budgets: list[LatencyBudget]) -> list[BudgetVerdict]:
    if any(budget.metric == "first_request" for budget in budgets):
        _load_anew(subject)
    transport: Literal["grpc", "rest"] = "rest" if shape.transport == "rest" else "grpc"

    def send(inputs: Mapping[str, Any]) -> None:
        subject.ask(inputs, transport=transport)

    def ping() -> None:
        subject.model.status(transport=transport)

    settings = subject.settings
    return gate(budgets, send, _inputs(subject, shape.batch), ping=ping, seed=settings.seed, clock=settings.clock)


def _load_anew(subject: Subject) -> None:
    """Has the server load the model again: the next request is the first that this copy of it answers."""
    model, saved_model = subject.model, subject.saved_model
    if saved_model is not None and model.version is not None:
        model.server.remove(model.name, model.version)
        model.server.add(model.name, model.version, saved_model.path)


def _inputs(subject: Subject, batch: int) -> Iterator[Mapping[str, Any]]:
    """Returns random inputs, of the batch size that a budget names, for as long as they are asked for.

    A budget that names no batch means the smallest that the contract allows: one row, as a rule.
    """
    sizes = sizes_of_rows(subject.signature, batch)
    return draws(subject.signature, sys.maxsize, subject.settings.seed, sizes=sizes)


def _outcome(verdicts: list[BudgetVerdict], *, reported_only: bool) -> Outcome:
    details = {"budgets": [verdict.as_dict() for verdict in verdicts]}
    samples = {id(verdict.sample): verdict.sample for verdict in verdicts}
    requests = sum(len(sample.latencies) for sample in samples.values())
    lines = "\n".join(f"{verdict.verdict.value}: {verdict.sentence}" for verdict in verdicts)
    if reported_only:
        return Outcome("skip", f"reported, not gated, under pytest-xdist: {lines}", requests, details=details)
    for word in ("fail", "inconclusive"):
        hit = [verdict for verdict in verdicts if verdict.verdict.value == word]
        if hit and word == "fail":
            violation = Violation(
                hit[0].sentence,
                expected="; ".join(verdict.budget.description for verdict in verdicts),
                actual="\n".join([lines, *(verdict.text() for verdict in hit)]).rstrip(),
            )
            return Outcome("fail", violation.sentence, requests, violation, details)
        if hit:
            return Outcome("inconclusive", "; ".join(verdict.sentence for verdict in hit), requests, details=details)
    return Outcome("pass", "; ".join(verdict.sentence for verdict in verdicts), requests, details=details)
