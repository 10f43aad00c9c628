"""What this machine can serve with; asked for pytest's header, so cheap where there is no container engine."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_tfsig import requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BINARY",
    "engine_address",
    "is_address",
    "why_no_binary",
    "why_no_connection",
    "why_no_container",
    "why_no_embedded",
]

BINARY = "tensorflow_model_server"
_SOCKETS = (Path("/var/run/docker.sock"), Path("/run/podman/podman.sock"))
_CONNECT_SECONDS = 1.0


def is_address(text: str) -> bool:
    """Whether a text reads `HOST:PORT` (an IPv6 host in brackets)."""
    host, colon, port = text.rpartition(":")
    return bool(colon and host and port.isdecimal() and int(port) < 2**16 and (":" not in host or host[0] == "["))


def why_no_embedded() -> str | None:
    """Return why the embedded server cannot run here, in a few words; None if it can."""
    if sys.platform not in ("linux", "darwin"):
        return f"it runs on Linux and macOS, not on {sys.platform}"
    if importlib.util.find_spec("tensorflow") is None:
        return 'TensorFlow is not installed in this environment (pip install "pytest-tfsig[embedded]")'
    return requirements.why_not_tensorflow()


def why_no_binary() -> str | None:
    """Return why there is no server binary to run, in a few words; None if there is."""
    return None if shutil.which(BINARY) else f"there is no {BINARY} on PATH"


def why_no_container(image: str) -> str | None:
    """Return why no container of an image can be run, in a few words; None if one can."""
    address = engine_address()
    if address is None:
        return "there is no container engine (no DOCKER_HOST, no Docker or Podman socket)"
    reason = why_no_connection(address)
    if reason is not None:
        return reason
    from pytest_tfsig.serving import engine

    return engine.why_not(image)


def engine_address(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return where the container engine listens, as `DOCKER_HOST` would say it; None if nothing hints at one.

    That is `DOCKER_HOST`, else the Docker context in use, else the first socket that exists: the machine's Docker or
    Podman, the user's rootless Docker, Docker Desktop or Podman.
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    home = Path(environ.get("HOME", "/"))
    context = _context_address(home / ".docker", environ)
    if context is not None:
        return context
    runtime = Path(environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"))
    own = (runtime / "docker.sock", home / ".docker/run/docker.sock", runtime / "podman/podman.sock")
    return next((f"unix://{path}" for path in (*_SOCKETS, *own) if _exists(path)), None)


def _context_address(folder: Path, environ: Mapping[str, str]) -> str | None:
    try:
        name = environ.get("DOCKER_CONTEXT") or json.loads((folder / "config.json").read_text())["currentContext"]
        if name == "default":
            return None
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = json.loads((folder / "contexts/meta" / digest / "meta.json").read_text())
        return str(meta["Endpoints"]["docker"]["Host"]) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _exists(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False


def why_no_connection(address: str) -> str | None:
    """Return why a local engine's socket cannot be used, in a few words; None if it can, or is none of this machine."""
    path = address.removeprefix("unix://")
    if path == address:
        return None
    try:
        _connect(path)
    except PermissionError:
        return f"this user may not use {path} (add it to the group docker, or set DOCKER_HOST)"
    except OSError as error:
        return f"nothing answers at {path} ({error.strerror or error})"
    return None


def _connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(path)
