"""The servers: a container, a binary, our own, or one that runs already; one protocol for all."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytest_tfsig.serving.choice import Choice, choose, launch, runner_for, start
from pytest_tfsig.serving.protocol import DEFAULT_IMAGE, Server

if TYPE_CHECKING:
    from pytest_tfsig.serving.managed import ManagedServer, attach
    from pytest_tfsig.serving.served_model import ServedModel

__all__ = [
    "DEFAULT_IMAGE",
    "Choice",
    "ManagedServer",
    "ServedModel",
    "Server",
    "attach",
    "choose",
    "launch",
    "runner_for",
    "start",
]

# Choosing a server is part of pytest's header and must not load gRPC; using one does.
_LATER = {"ManagedServer": "managed", "attach": "managed", "ServedModel": "served_model"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
