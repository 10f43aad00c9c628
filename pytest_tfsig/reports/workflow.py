"""Workflow commands of GitHub Actions: lines of a log that it shows as annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.reports.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping


def command(kind: str, message: str, properties: Mapping[str, str]) -> str:
    """Returns a command, in which nothing of a message or a property ends it.

    Args:
        kind: `error`, `warning` or `notice`.
        message: What is said.
        properties: Where it belongs: `file`, `line`, `title`; empty ones are left out.
    """
    stated = ",".join(f"{key}={_property(visible(value))}" for key, value in properties.items() if value)
    return f"::{kind} {stated}::{_data(visible(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
