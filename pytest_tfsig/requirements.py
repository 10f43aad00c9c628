"""What the package needs of a machine: its platform, and the oldest versions of what it was installed with."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from typing import Final

__all__ = ["TENSORFLOW", "release", "unmet", "why_not_tensorflow"]

TENSORFLOW: Final = ("2.16", "2.21")
"""The oldest and the newest TensorFlow that the embedded server was tried with."""
_PLATFORMS: Final = ("linux", "darwin")
_DISTRIBUTION: Final = "pytest-tfsig"
# As our own metadata has them, such as "grpcio>=1.65"; what belongs to an extra has a marker behind a semicolon.
_OLDEST: Final = re.compile(r"(?P<name>[\w.-]+)>=(?P<oldest>[\d.]+)")


def unmet() -> str | None:
    """Return in one sentence why nothing of ours works here; None if all is as pip would have it.

    pip warns, and goes on, where another package needs a dependency older than ours may be.
    """
    if sys.platform not in _PLATFORMS:
        return f"pytest-tfsig runs on Linux and macOS, not on {sys.platform}: under Windows, use WSL 2, which is Linux."
    for needed in filter(None, map(_OLDEST.fullmatch, _needs())):
        installed = _version(needed["name"])
        if installed is not None and release(installed) < release(needed["oldest"]):
            return f'pytest-tfsig needs {needed[0]}, and {installed} is installed: pip install "{needed[0]}".'
    return None


def why_not_tensorflow(version: str | None = None) -> str | None:
    """Return why the embedded server does not work with a TensorFlow, in a few words; None if it does.

    Args:
        version: The version; None: the installed one, as far as its distribution goes by the usual names.
    """
    found = version or _version("tensorflow") or _version("tensorflow-cpu")
    oldest, newest = TENSORFLOW
    if found is None or release(oldest) <= release(found)[:2] <= release(newest):
        return None
    major, minor = release(newest)
    pip = f'pip install "tensorflow>={oldest},<{major}.{minor + 1}"'
    return f"it works with TensorFlow {oldest} to {newest}, and {found} is installed ({pip})"


def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version starts with: those of "2.21.0rc1" are 2, 21 and 0."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def _needs() -> list[str]:
    try:
        return metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a source tree
        return []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # whoever imports it will say so
        return None
