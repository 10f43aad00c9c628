"""The clients: numpy in, numpy out, over gRPC and over REST."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytest_tfsig.clients.answers import Metadata, VersionStatus
from pytest_tfsig.clients.credentials import Credentials
from pytest_tfsig.clients.error import ServingError

if TYPE_CHECKING:
    from pytest_tfsig.clients.grpc import GrpcClient
    from pytest_tfsig.clients.rest import RestClient

__all__ = ["Credentials", "GrpcClient", "Metadata", "RestClient", "ServingError", "VersionStatus"]

# Errors and answers are spoken of where no request is made: gRPC and numpy are loaded with the first client.
_LATER = {"GrpcClient": "grpc", "RestClient": "rest"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
