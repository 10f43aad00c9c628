"""How findings are worded: what they are about, and whom they concern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_tfsig.contract.compatibility.rules import Level

if TYPE_CHECKING:
    from pytest_tfsig.contract.compatibility.rules import Finding

_WIRES: Final = {"grpc": "gRPC", "rest_row": "REST rows", "rest_columnar": "REST columns"}
_VERBS: Final = {Level.ERROR: "breaks", Level.WARN: "may surprise", Level.INFO: "concerns"}


def where(finding: Finding) -> str:
    """Return what a finding is about: ``serving_default, output "scores"``."""
    return f'{finding.signature}, {finding.part} "{finding.name}"' if finding.name else finding.signature


def concerns(finding: Finding) -> str:
    """Return whom a finding concerns, and how: ``breaks gRPC, REST rows``."""
    return f"{_VERBS[finding.level]} {', '.join(_WIRES[wire] for wire in finding.wires)}"
