"""Readiness: whether a server answers on both of its transports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.clients import GrpcClient, RestClient, ServingError

if TYPE_CHECKING:
    from pytest_tfsig.serving.protocol import Instance

__all__ = ["listens"]

_NOBODY = "tfsig-readiness"
_SECONDS = 2.0


def listens(instance: Instance) -> bool:
    """Whether the server answers at all; that it knows no model of an odd name is an answer."""
    try:
        with GrpcClient(instance.grpc, direct=True) as client:
            client.status(_NOBODY, timeout=_SECONDS)
    except ServingError as error:
        if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"):
            return False
    if instance.rest is None:
        return True
    try:
        with RestClient(instance.rest) as rest:
            rest.request("GET", f"/v1/models/{_NOBODY}", timeout=_SECONDS)
    except ServingError:
        return False
    return True
