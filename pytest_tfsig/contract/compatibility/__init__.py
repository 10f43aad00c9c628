"""Whether callers of an old version can go on with a new one: what breaks, and for which of them."""

from __future__ import annotations

from pytest_tfsig.contract.compatibility.ignores import Ignore, Sifted, load_ignores, sift
from pytest_tfsig.contract.compatibility.kinship import are_related
from pytest_tfsig.contract.compatibility.rules import ALL_WIRES, RULES, Finding, Level, Rule, Wire
from pytest_tfsig.contract.compatibility.signatures import compatibility

__all__ = [
    "ALL_WIRES",
    "RULES",
    "Finding",
    "Ignore",
    "Level",
    "Rule",
    "Sifted",
    "Wire",
    "are_related",
    "compatibility",
    "load_ignores",
    "sift",
]
