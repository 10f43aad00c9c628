"""loads: the server reports the version AVAILABLE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.violation import Violation

if TYPE_CHECKING:
    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.errors import ModelLoadError


@register("loads", holds_when="the server reports the version AVAILABLE", inspects=False)
def loads(subject: Subject) -> Outcome:
    """Asks the server for the state of the version under test."""
    states = subject.model.status()
    wanted = subject.model.version
    for status in states:
        if status.state == "AVAILABLE" and wanted in {None, status.version}:
            return Outcome("pass", f"version {status.version} is AVAILABLE")
    seen = "\n".join(f"version {status.version}: {status.state} {status.message}".rstrip() for status in states)
    return failed(
        Violation(
            f"the server does not serve version {wanted} of {subject.model.name}",
            expected=f"version {wanted}: AVAILABLE",
            actual=seen or "no version at all",
        )
    )


def refused(error: ModelLoadError) -> Outcome:
    """Returns the outcome for a model that the server refused to load."""
    return failed(Violation("the server cannot load the model", expected="AVAILABLE", actual=str(error)))
