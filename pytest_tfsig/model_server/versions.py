"""Versions on disk: which of a model's numbered directories its policy wants served."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["aspired"]

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"\s*([+-]?)(\d+)\s*", re.ASCII)
_INT64 = 1 << 63


def aspired(name: str, base: Path, policy: Any) -> dict[int, Path]:
    """The versions that should be served now.

    Args:
        name: The model's name, for messages.
        base: Its base path.
        policy: A ServableVersionPolicy: latest (the default: one), all or specific.

    Raises:
        StatusError: There is no base path, or it cannot be read.
    """
    if not base.exists():
        raise StatusError(
            Code.INVALID_ARGUMENT,
            f"Could not find base path {base} for servable {name} with error NOT_FOUND: {base} not found",
        )
    try:
        children = sorted(child.name for child in base.iterdir())
    except OSError as error:
        raise StatusError(Code.FAILED_PRECONDITION, f"{base}; {error.strerror}") from error
    found = _by_number(base, children)
    wanted = _choose(name, found, policy)
    if not wanted and policy.WhichOneof("policy_choice") != "specific":
        logger.warning(
            "No versions of servable %s found under base path %s. Did you forget to name your leaf directory as a "
            "number (eg. '/1/')?",
            name,
            base,
        )
    return wanted


def _by_number(base: Path, children: list[str]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for child in children:
        match = _NUMBER.fullmatch(child)
        if match is None:
            continue
        number = int(match[1] + match[2])
        if not -_INT64 <= number < _INT64:
            continue
        if number in found:
            logger.warning(
                "Duplicate version directories detected. Version %s will be loaded from %s, %s will be ignored.",
                number,
                child,
                found[number].name,
            )
        found[number] = base / child
    return dict(sorted(found.items()))


def _choose(name: str, found: Mapping[int, Path], policy: Any) -> dict[int, Path]:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return dict(found)
        case "specific":
            return _specific(name, found, set(policy.specific.versions))
        case _:
            count = max(1, policy.latest.num_versions)
            return dict(list(found.items())[-count:])


def _specific(name: str, found: Mapping[int, Path], wanted: set[int]) -> dict[int, Path]:
    if not wanted:
        logger.warning("No specific versions requested for servable %s.", name)
    for version in sorted(wanted - set(found)):
        logger.warning(
            "Version %s of servable %s, which was requested to be served as a 'specific' version in the servable's "
            "version policy, was not found in the file system",
            version,
            name,
        )
    return {version: path for version, path in found.items() if version in wanted}
