"""Reports: what was proved, for the terminal, for programs and for a browser."""

from __future__ import annotations

from pytest_tfsig.reports.result import ModelIdentity, Result, Verdict, overall

__all__ = ["ModelIdentity", "Result", "Verdict", "overall"]
