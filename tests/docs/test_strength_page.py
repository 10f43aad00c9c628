"""The page about contract strength names every mutation and no other."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_tfsig.mutations import mutations

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "strength.md"


def test_every_mutation_is_on_the_page():
    table = PAGE.read_text(encoding="utf-8").partition("## What is tried")[2].partition("\n\nA mutation")[0]
    named = [name for row in table.splitlines()[4:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(mutations())
