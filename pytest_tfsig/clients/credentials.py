"""What a remote server wants to see before it answers: certificates, a token, headers; never printed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Credentials"]

SYSTEM_CA = "system"


@final
@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Transport security and headers for a remote server.

    Args:
        ca: A PEM file of certificate authorities, or `system` for the machine's own; None: no TLS.
        client_certificate: A PEM file with the client's certificate chain, for mutual TLS.
        client_key: The PEM file with its private key.
        headers: Sent with every request, as gRPC metadata and as HTTP headers; names in lower case.
    """

    ca: str | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Credentials:
        """Read `TFSIG_CA`, `TFSIG_CLIENT_CERT`, `TFSIG_CLIENT_KEY`, `TFSIG_BEARER_TOKEN`, `TFSIG_GRPC_METADATA`.

        `TFSIG_GRPC_METADATA` is a comma-separated list of `name=value`.

        Raises:
            UsageError: A variable cannot be used; its value is not shown.
        """
        certificate, key = environ.get("TFSIG_CLIENT_CERT"), environ.get("TFSIG_CLIENT_KEY")
        if bool(certificate) != bool(key):
            raise UsageError("TFSIG_CLIENT_CERT and TFSIG_CLIENT_KEY belong together: set both or neither.")
        ca = environ.get("TFSIG_CA") or None
        if certificate and not ca:
            raise UsageError('TFSIG_CLIENT_CERT needs TLS: set TFSIG_CA to a PEM file or to "system".')
        for name in ("TFSIG_CA", "TFSIG_CLIENT_CERT", "TFSIG_CLIENT_KEY"):
            value = environ.get(name)
            if value and value != SYSTEM_CA and not Path(value).is_file():
                raise UsageError(f"{name} does not name a file that can be read: give the path of a PEM file.")
        return cls(
            ca=ca,
            client_certificate=Path(certificate) if certificate else None,
            client_key=Path(key) if key else None,
            headers=_headers(environ.get("TFSIG_BEARER_TOKEN", ""), environ.get("TFSIG_GRPC_METADATA", "")),
        )

    def __repr__(self) -> str:
        return f"Credentials(tls={self.ca is not None}, headers={len(self.headers)})"

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.ca is not None


def _headers(token: str, metadata: str) -> tuple[tuple[str, str], ...]:
    headers = [("authorization", f"Bearer {token}")] if token else []
    for entry in filter(None, (part.strip() for part in metadata.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise UsageError("TFSIG_GRPC_METADATA has an entry without a name: write NAME=VALUE,NAME=VALUE.")
        headers.append((name.strip().lower(), value.strip()))
    return tuple(headers)
