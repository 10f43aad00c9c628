"""no_slower: this version answers as fast as the released one, within a tolerance."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from pytest_tfsig.checks.batch_invariant import batch_dimension, sizes_of_rows
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.errors import ContractError
from pytest_tfsig.latency import compare
from pytest_tfsig.strategies import draws

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Signature

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
        batch: Rows in each request, where the contract names a batch dimension; more where it allows no fewer.
        gate_under_xdist: Whether to decide although other test processes load the machine.
    """
    _check(subject.signature, tolerance, seconds, confidence, batch)
    released = subject.released()
    known = set(released.spec.inputs)

    def ask_released(inputs: Mapping[str, Any]) -> None:
        released.ask(inputs if "examples" in inputs else {name: inputs[name] for name in inputs if name in known})

    def ask_candidate(inputs: Mapping[str, Any]) -> None:
        subject.ask(inputs)

    compared = compare(
        ask_released,
        ask_candidate,
        draws(subject.signature, sys.maxsize, subject.settings.seed, sizes=sizes_of_rows(subject.signature, batch)),
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


def _check(signature: Signature, tolerance: float, seconds: float, confidence: float, batch: int) -> None:
    """Raises ContractError for options that nothing could be judged by: no sample is ever so sure as 1."""
    dimension = batch_dimension(signature)
    allowed = signature.dims.get(dimension or "")
    most = math.inf if allowed is None else allowed[1]
    up_to = "" if allowed is None else f", and no more than dims.{dimension} allows, {most}"
    for key, value, is_sound, wanted in (
        ("tolerance", tolerance, 0 <= tolerance < math.inf, "a share of 0 or more, such as 0.1 for a tenth"),
        ("seconds", seconds, seconds > 0, "a number above 0"),
        ("confidence", confidence, 0.5 < confidence < 1, "a number between 0.5 and 1, such as 0.95"),  # noqa: PLR2004 - a coin is right half the time
        ("batch", batch, 1 <= batch <= most, f"1 or more{up_to}"),
    ):
        if not is_sound:
            raise ContractError(f"checks.no_slower.{key} = {value}: it must be {wanted}.")
