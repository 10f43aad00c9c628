"""Text that came from models and servers, made harmless to look at."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = re.compile(
    r"[^\n\t\x20-\x7e\xa0-\U0010ffff]"
    r"|[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""Control characters, which move a terminal's cursor; those that turn the direction of text; halves of characters."""


def visible(text: str) -> str:
    r"""Returns text with every character that acts instead of being seen written as Python writes it: `\x1b`."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def in_line(text: str) -> str:
    r"""Returns text that stays within its line: its own ends of lines are written `\n`, too."""
    return visible(text).replace("\n", "\\n")


def cut(text: str, longest: int) -> str:
    """Returns text of at most `longest` characters, with what is left out said."""
    if len(text) <= longest:
        return text
    return f"{text[:longest].rstrip()}… ({len(text) - longest:,} more characters)"


def first_line(text: str, longest: int = 160) -> str:
    """Returns the first line of a text, at most `longest` characters, harmless."""
    line = visible(text.strip().split("\n", 1)[0])
    # A combining mark alone would stand on the ellipsis.
    while len(line) > longest and unicodedata.combining(line[longest - 1]):
        longest -= 1
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
