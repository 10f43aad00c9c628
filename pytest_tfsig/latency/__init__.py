"""Latency budgets, decided from as few requests as they need and at a stated rate of error."""

from __future__ import annotations

from pytest_tfsig.latency.budgets import LoadShape, by_load, undecidable
from pytest_tfsig.latency.comparison import Comparison, compare
from pytest_tfsig.latency.gate import gate
from pytest_tfsig.latency.verdicts import BudgetVerdict, Sample, Verdict, worst

__all__ = [
    "BudgetVerdict",
    "Comparison",
    "LoadShape",
    "Sample",
    "Verdict",
    "by_load",
    "compare",
    "gate",
    "undecidable",
    "worst",
]
