"""The outcome of one check on one signature of one served model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.violation import Violation
    from pytest_tfsig.clients import ServingError

Verdict = Literal["pass", "fail", "inconclusive", "skip", "error"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        verdict: "pass", "fail", "inconclusive", "skip" (not applicable, with the reason) or "error" (could not judge).
        message: One sentence.
        examples: Inputs tried; requests for `latency`.
        violation: The failure in full, where there is one.
        details: Plain data for reports (a latency gate's figures, say).
    """

    verdict: Verdict
    message: str = ""
    examples: int = 0
    violation: Violation | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def failed(violation: Violation, examples: int = 0) -> Outcome:
    """Returns the outcome of a violation."""
    return Outcome("fail", violation.sentence, examples, violation)


def unanswered(refusal: ServingError | None) -> Outcome:
    """Returns the outcome where not one request was answered; `outputs` has the server's words, several lines often."""
    code = "" if refusal is None else f" ({refusal.code})"
    return Outcome("error", f"not judged: no request was answered{code}; see the check outputs")
