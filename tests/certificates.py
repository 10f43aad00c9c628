"""Certificates for tests: an authority, a server and a client that it vouches for, and a stranger's authority."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


@dataclass(frozen=True)
class Certificates:
    """PEM files; a certificate's key lies beside it and ends in `.key`."""

    authority: Path
    server: Path
    client: Path
    stranger: Path


def key_of(certificate: Path) -> Path:
    """Return the file of a certificate's private key."""
    return certificate.with_suffix(".key")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """Makes certificates that hold for two days."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes this test's certificates")
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = (_made(folder / f"{name}.pem") for name in ("authority", "stranger"))
    server, client = (_made(folder / f"{name}.pem", by=authority) for name in ("server", "client"))
    return Certificates(authority, server, client, stranger)


def _made(certificate: Path, *, by: Path | None = None) -> Path:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={certificate.stem}", "-keyout", str(key_of(certificate)), "-out", str(certificate)]
    # Python 3.13 trusts no authority whose certificate does not say what its key is for.
    if by is None:
        words += ["-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"]
    else:
        words += ["-CA", str(by), "-CAkey", str(key_of(by)), "-addext", _NAMES, "-addext", "basicConstraints=CA:FALSE"]
    subprocess.run(words, check=True, capture_output=True)
    return certificate
