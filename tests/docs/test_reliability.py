"""docs/explanation/reliability.md: every fault has a row, every row tests that inject it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not re.match(r"\| (-+|fault) \|", line)]
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist(row):
    named = set(re.findall(r"`(test_\w+)`", row))
    assert named
    assert named <= TESTS
