"""signature: the served metadata equals the contract: names, dtypes, shapes, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract import compare, contradictions, side_by_side

if TYPE_CHECKING:
    from pytest_tfsig.checks.subject import Subject


@register("signature", holds_when="served metadata equals the contract: names, dtypes, shapes, method", inspects=False)
def signature(subject: Subject) -> Outcome:
    """Compares what the server says of the signature, and what its graph parses, with the contract."""
    name = subject.signature.name
    served = subject.model.metadata().signatures.get(name)
    if served is None:
        return failed(
            Violation(f"the server does not serve a signature {name!r}", expected=name, actual="no such name")
        )
    mismatches = compare(subject.signature, served)
    # Metadata say nothing of the features of tf.Examples, and of relations the contract alone does.
    wrong = [mismatch.message for mismatch in mismatches] or contradictions(subject.signature, subject.spec)
    if not wrong:
        sides = (("input", len(served.inputs)), ("output", len(served.outputs)))
        counts = " and ".join(f"{count} {side}{'s' * (count != 1)}" for side, count in sides)
        return Outcome("pass", f"{counts} as stated")
    first, *more = wrong
    rest = f" (and {len(more)} more)" if more else ""
    return failed(
        Violation(
            f"{first.rstrip('.')}{rest}",
            actual=side_by_side(subject.signature, served) if mismatches else "\n".join(wrong),
            advice="A changed signature breaks its callers: give the export its old names, dtypes and shapes back, or "
            "change the contract together with every caller.",
        )
    )
