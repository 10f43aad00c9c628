"""What a remote server wants to see before it answers: certificates, a token, headers; never printed."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from pytest_tfsig.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Credentials"]

SYSTEM_CA = "system"
# What both gRPC and HTTP carry; gRPC takes names that end in -bin for bytes in base64.
_NAME = re.compile(r"[0-9a-z_.\-]+(?<!-bin)")
_VALUE = re.compile(r"[\x20-\x7e]+")


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
        _prove_readable(ca, certificate, key)
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


def _prove_readable(ca: str | None, certificate: str | None, key: str | None) -> None:
    """Refuse here what gRPC would only call a handshaker that cannot be made, and an empty file would mean to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca and ca != SYSTEM_CA:
            context.load_verify_locations(ca)
    except (ssl.SSLError, OSError):
        raise UsageError("TFSIG_CA names a file that holds no certificate in PEM form: give an authority's.") from None
    try:
        if certificate:
            # Without a password of ours, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        raise UsageError(
            "TFSIG_CLIENT_CERT and TFSIG_CLIENT_KEY are no pair of a certificate and its key, in PEM form and without "
            "a password: check the two files."
        ) from None


def _headers(token: str, metadata: str) -> tuple[tuple[str, str], ...]:
    headers = [("authorization", f"Bearer {_value(token, 'TFSIG_BEARER_TOKEN')}")] if token else []
    for entry in filter(None, (part.strip() for part in metadata.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise UsageError("TFSIG_GRPC_METADATA has an entry without a name: write NAME=VALUE,NAME=VALUE.")
        if not _NAME.fullmatch(name.strip().lower()):
            raise UsageError(
                "TFSIG_GRPC_METADATA has a name that no header can have: write letters, digits, '-', '_' and '.', and "
                "none that ends in -bin."
            )
        headers.append((name.strip().lower(), _value(value, "TFSIG_GRPC_METADATA")))
    return tuple(headers)


def _value(value: str, variable: str) -> str:
    if not _VALUE.fullmatch(value.strip()):
        raise UsageError(f"{variable} has a value that no header can carry: it must be ASCII, and in one line.")
    return value.strip()
