"""signature: the served metadata equals the contract: names, dtypes, shapes, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract.comparison import compare, side_by_side

if TYPE_CHECKING:
    from pytest_tfsig.checks.subject import Subject


@register("signature", holds_when="served metadata equals the contract: names, dtypes, shapes, method", inspects=False)
def signature(subject: Subject) -> Outcome:
    """Compares what the server says of the signature with the contract."""
    name = subject.signature.name
    served = subject.model.metadata().signatures.get(name)
    if served is None:
        return failed(
            Violation(f"the server does not serve a signature {name!r}", expected=name, actual="no such name")
        )
    mismatches = compare(subject.signature, served)
    if not mismatches:
        return Outcome("pass", f"{len(served.inputs)} inputs and {len(served.outputs)} outputs as stated")
    first, *more = mismatches
    rest = f" (and {len(more)} more)" if more else ""
    return failed(
        Violation(
            f"{first.message.rstrip('.')}{rest}",
            actual=side_by_side(subject.signature, served),
            advice="A changed signature breaks its callers: give the export its old names, dtypes and shapes back, or "
            "change the contract together with every caller.",
        )
    )
