"""The parts of a failure's text, for reports that lay them out in their own way."""

from __future__ import annotations

import textwrap

EXPECTED, ACTUAL, ADVICE = "expected", "actual", "what to do"
_TITLES = ("smallest input that shows it", EXPECTED, ACTUAL, "reproduce", ADVICE)
"""As checks.render writes them, two spaces in; whatever is within a part stands four spaces in."""


def sections(text: str) -> dict[str, str]:
    """Returns the parts of a failure's text by title; "" holds the sentence before them."""
    parts: dict[str, list[str]] = {"": []}
    lines = parts[""]
    for line in text.split("\n"):
        title = line[2:-1]
        if line == f"  {title}:" and title in _TITLES:
            lines = parts[title] = []
        else:
            lines.append(line)
    return {title: textwrap.dedent("\n".join(body)).strip("\n") for title, body in parts.items()}
