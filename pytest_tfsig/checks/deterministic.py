"""deterministic: the same request gives the same answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig.checks.comparison import compare
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.rounding import precision, without_subnormals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.outcome import Outcome
    from pytest_tfsig.checks.subject import Subject

_ADVICE = (
    "Something random or stateful is still on when served: dropout or noise called with training=True, a random op "
    "without a fixed seed, a counter. Export the model with training=False."
)

NOT_REPEATED = "not judged: the same request gives different answers; see the check deterministic"
"""What checks say that compare answers to requests which should be answered alike."""


@register("deterministic", holds_when="the same request gives the same answer", inspects=False)
def deterministic(subject: Subject, *, rtol: float | None = None, atol: float | None = None) -> Outcome:
    """Sends every drawn request twice."""
    from pytest_tfsig.checks.runner import search

    narrow = precision(subject)

    def examine(drawn: Mapping[str, Any]) -> None:
        inputs = without_subnormals(subject.signature, drawn)
        compare(
            "the same request gives different answers in output {output!r}",
            subject.ask(inputs),
            subject.ask(inputs),
            inputs=inputs,
            labels=("first", "second"),
            rtol=rtol,
            atol=atol,
            advice=_ADVICE,
            precision=narrow,
        )

    outcome = search(subject, examine, holds="the same answer twice for {examples} requests")
    subject.repeats = outcome.verdict != "fail"
    return outcome
