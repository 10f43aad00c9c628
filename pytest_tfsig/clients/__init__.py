"""The clients: numpy in, numpy out, over gRPC and over REST."""

from __future__ import annotations

from pytest_tfsig.clients.answers import Metadata, VersionStatus
from pytest_tfsig.clients.credentials import Credentials
from pytest_tfsig.clients.error import ServingError
from pytest_tfsig.clients.grpc import GrpcClient
from pytest_tfsig.clients.rest import RestClient

__all__ = ["Credentials", "GrpcClient", "Metadata", "RestClient", "ServingError", "VersionStatus"]
