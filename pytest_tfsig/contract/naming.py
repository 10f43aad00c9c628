"""How a contract's errors name what was written and what may have been meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def choices(names: Iterable[str]) -> str:
    """Return ``names`` as a sentence lists them: ``a, b or c``."""
    listed = sorted(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the half sentence that helps after an unknown ``name``: the nearest known one, or all of them."""
    listed = sorted(known)
    if not listed:
        return "there is none."
    nearest = difflib.get_close_matches(name, listed, n=1, cutoff=0.6)
    return f'did you mean "{nearest[0]}"?' if nearest else f"known: {', '.join(listed)}."
