"""What a command says. Names and words of models are in it, and act on no terminal."""

from __future__ import annotations

import sys


def say(text: str, *, aside: bool = False) -> None:
    """Writes a line, or lines, to standard output; to standard error what is no result."""
    from pytest_tfsig.reports.visible import visible

    print(visible(text), file=sys.stderr if aside else sys.stdout)
