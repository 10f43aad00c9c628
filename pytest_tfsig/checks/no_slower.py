"""no_slower: this version answers as fast as the released one, within a tolerance."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pytest_tfsig.checks.batch_invariant import batch_dimension
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.latency import compare
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.subject import Subject

_ADVICE = (
    "Profile the candidate: a larger graph, an op that runs in Python, a lost jit_compile or a wider dtype. If the "
    "cost is wanted, raise tolerance in the contract's checks."
)


@register(
    "no_slower",
    holds_when="it is not slower than the released version (--tfsig-baseline), at a stated confidence",
    inspects=False,
    against_baseline=True,
)
def no_slower(
    subject: Subject,
    *,
    tolerance: float = 0.1,
    requests: int = 1000,
    seconds: float = 60.0,
    confidence: float = 0.95,
    batch: int = 1,
    gate_under_xdist: bool = False,
) -> Outcome:
    """Sends the same requests to both versions in turn, in random order, and tests which is slower.

    Args:
        subject: The candidate.
        tolerance: By how much it may be slower: 0.1 for a tenth.
        requests: To each version.
        seconds: When to stop all the same.
        confidence: One less the largest probability of failing a candidate that is within the tolerance.
        batch: Rows in each request, where the contract names a batch dimension.
        gate_under_xdist: Whether to decide although other test processes load the machine.
    """
    released = subject.released()
    known = set(released.spec.inputs)
    dimension = batch_dimension(subject.signature)
    sizes = {} if dimension is None else {dimension: batch}

    def ask_released(inputs: Mapping[str, Any]) -> None:
        released.ask(inputs if "examples" in inputs else {name: inputs[name] for name in inputs if name in known})

    def ask_candidate(inputs: Mapping[str, Any]) -> None:
        subject.ask(inputs)

    compared = compare(
        ask_released,
        ask_candidate,
        draws(subject.signature, sys.maxsize, subject.settings.seed, sizes=sizes),
        tolerance=tolerance,
        requests=requests,
        seconds=seconds,
        confidence=confidence,
        seed=subject.settings.seed,
    )
    details = {"comparison": compared.as_dict()}
    sent = 2 * len(compared.candidate)
    if compared.errors:
        told = "; ".join(f"the {which}: {message}" for which, message in compared.errors.items())
        return Outcome("error", f"not judged: requests were refused by {told}", sent, details=details)
    if subject.settings.under_xdist and not gate_under_xdist:
        return Outcome("skip", f"reported, not gated, under pytest-xdist: {compared.sentence}", sent, details=details)
    if compared.verdict.value != "fail":
        return Outcome(compared.verdict.value, compared.sentence, sent, details=details)
    violation = Violation(
        compared.sentence,
        expected=f"at most {tolerance:.0%} slower than {released.model.name}, judged at confidence {confidence:g}",
        actual="; ".join(f"{name}: p-value {value:.2g}" for name, value in compared.p_values.items()),
        advice=_ADVICE,
    )
    return Outcome("fail", violation.sentence, sent, violation, details)
