"""Key paths: where in a contract an error is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the outside in."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_T = TypeVar("_T")


class KeyedError(ContractError):
    """A ContractError that knows the path of the key it is about."""

    def __init__(self, path: KeyPath, what: str) -> None:
        super().__init__(f"{dotted(path)}: {what}" if path else what)
        self.path = path
        self.what = what


def dotted(path: KeyPath) -> str:
    """Write a key path as TOML does: ``signatures.serving_default.latency[0].p99``."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + (key if _BARE_KEY.fullmatch(key) else f'"{key}"')
    return text


def at(path: KeyPath, build: Callable[[], _T]) -> _T:
    """Return what ``build`` makes; a ContractError of it is raised anew with ``path`` before its own."""
    try:
        return build()
    except KeyedError as error:
        raise KeyedError((*path, *error.path), error.what) from None
    except ContractError as error:
        raise KeyedError(path, str(error)) from None
