"""The identity of a server: what exactly it runs, so that a verdict can be bound to it."""

from __future__ import annotations

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from pytest_tfsig.errors import ServerError

if TYPE_CHECKING:
    from pytest_tfsig.serving.protocol import Server

__all__ = ["identity"]

_ANSWER_SECONDS = 10


def identity(server: Server, image: str) -> str:
    """Returns what a server runs: an image's digest, a program's SHA-256, or the libraries of the embedded server.

    Args:
        server: What serves.
        image: The image that a container runs.
    """
    if server.kind == "container":
        return _of_image(image)
    if server.kind == "binary":
        program = shutil.which("tensorflow_model_server")
        return "" if program is None else f"tensorflow_model_server@sha256:{_of_file(program)}"
    if server.kind == "embedded":
        return " ".join(_of_package(name) for name in ("pytest-tfsig", "tensorflow"))
    return f"remote {server.grpc_address}"


def _of_image(image: str) -> str:
    from pytest_tfsig.serving import engine

    try:
        client = engine.connect(_ANSWER_SECONDS)
        try:
            found = client.images.get(engine.full_name(image))
            digests = found.attrs.get("RepoDigests") or [f"{image}@{found.id}"]
        finally:
            client.close()
    except (*engine.FAILURES, ServerError):
        return ""
    return str(digests[0])


def _of_file(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - shutil.which gives text
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_package(name: str) -> str:
    """Returns a package with its version and the SHA-256 of RECORD, which holds those of all its files."""
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return f"{name} none"
    record = package.read_text("RECORD") or ""
    return f"{name}=={package.version}@sha256:{hashlib.sha256(record.encode()).hexdigest()}"
