"""What a command is added to: argparse's subparsers, which have no public name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import argparse


class Commands(Protocol):
    """Takes one command after the other."""

    def add_parser(self, name: str, **keywords: Any) -> argparse.ArgumentParser:
        """Returns the parser of a new command."""
