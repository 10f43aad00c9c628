"""The container engine: whether it answers, whether it has an image or can get it, and what it holds of ours."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import time
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.constants
import docker.errors
import docker.utils
import requests.exceptions

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving.availability import engine_address, why_no_connection

__all__ = [
    "LABEL",
    "advice",
    "client_options",
    "connect",
    "full_name",
    "is_loopback",
    "provide_image",
    "remove_labelled",
    "sees_our_files",
    "short",
    "straight",
    "why_not",
]

LABEL = "org.pytest-tfsig.session"
FAILURES = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)
_LOOK_SECONDS = 4
# A removal includes the end of what runs in the container.
_ANSWER_SECONDS = 20
_BACKOFF_SECONDS = (1.0, 2.0, 4.0)
_OTHER_PROCESSOR = (
    "it is not built for this machine's processor: use the embedded server, or an image that is; to have it emulated, "
    "as Docker Desktop can, pull it beforehand with `docker pull --platform`"
)
# What engines and registries say (in lower case), and what to do about it; the first that fits counts.
_PULL_PROBLEMS = (
    (
        ("toomanyrequests", "rate limit"),
        "its registry limits pulls: log in with `docker login`, or name a mirror's image with --tfsig-image",
    ),
    (("no matching manifest", "no match for platform"), _OTHER_PROCESSOR),
    (
        ("unauthorized", "denied", "authentication required"),
        "its registry refuses: check the name, or log in with `docker login`",
    ),
    (("manifest unknown", "not found"), "there is no such image: check its name and tag"),
    (
        ("unexpected http status: 5",),
        "its registry fails: try again later, load the image beforehand, or name a mirror's image with --tfsig-image",
    ),
    (
        ("no such host", "timeout", "timed out", "connection refused", "network is unreachable", "dial tcp"),
        "its registry cannot be reached: load the image beforehand, or name a mirror's image with --tfsig-image",
    ),
)
_TRANSIENT = (
    "toomanyrequests",
    "rate limit",
    "unexpected http status: 5",
    "no such host",
    "timeout",
    "timed out",
    "dial tcp",
    "eof",
    "reset",
)


def connect(timeout: float = 60.0) -> Any:
    """Return a `docker.DockerClient`; whoever asked closes it.

    Raises:
        ServerError: There is no engine, or it does not answer.
    """
    return straight(docker.from_env(timeout=timeout, **client_options(timeout)))


def client_options(timeout: float = 60.0) -> dict[str, Any]:
    """Return what `docker.from_env` takes to find the engine, also at the less usual sockets, and to ask it nothing.

    Told no version of the API, docker's client asks the engine for it before anybody could keep it from a proxy.

    Raises:
        ServerError: There is no engine, or it does not answer.
    """
    address = engine_address()
    if address is None:
        raise ServerError("There is no container engine: start Docker or Podman, or set DOCKER_HOST.")
    # Asked here, because docker's client forgets to close a socket that it cannot connect.
    reason = why_no_connection(address)
    if reason is not None:
        raise ServerError(f"The container engine does not answer: {reason}.")
    options = {
        "environment": {**os.environ, "DOCKER_HOST": address},
        "use_ssh_client": address.startswith("ssh://"),
    }
    try:
        version = docker.constants.MINIMUM_DOCKER_API_VERSION
        client = straight(docker.from_env(timeout=timeout, version=version, **options))
        try:
            return {**options, "version": client.version(api_version=False)["ApiVersion"]}
        finally:
            client.close()
    except (requests.exceptions.JSONDecodeError, LookupError, TypeError) as error:
        raise ServerError(f"What answers at {address} is no container engine; look at DOCKER_HOST.") from error
    except FAILURES as error:
        raise ServerError(
            f"The container engine at {address} does not answer ({short(error)}): is it running?"
        ) from error


def straight(client: Any) -> Any:
    """Have a docker client go past the environment's HTTP proxies to an engine of this machine, and return it."""
    if is_loopback(urlsplit(client.api.base_url).hostname or ""):
        client.api.trust_env = False
    return client


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is one of the loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sees_our_files() -> bool:
    """Whether the engine is one of this machine, so that it could mount a folder of ours."""
    return (engine_address() or "").startswith("unix://")


def full_name(image: str) -> str:
    """Return the image's name with the prefix that testcontainers is told to put before every image."""
    return os.environ.get("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "") + image


def why_not(image: str) -> str | None:
    """Return why no container of an image can be run, in a few words; None if one can. Pulls nothing."""
    image = full_name(image)
    try:
        client = connect(_LOOK_SECONDS)
    except ServerError as error:
        return str(error)
    try:
        if _has(client, image):
            return None
        arch = client.version()["Arch"]
        return None if _is_built_for(arch, client, image) else f"image {image} is not built for linux/{arch}"
    except FAILURES as error:
        return f"image {image} is not here, and {_explained(error)}"
    finally:
        client.close()


def provide_image(client: Any, image: str) -> None:
    """Pull an image unless it is there; what may pass is tried again, each time later.

    Raises:
        ServerError: It is not to be had; the message says why and what to do.
    """
    for pause in (*_BACKOFF_SECONDS, None):
        try:
            if _has(client, image):
                return
            _pull(client, image)
        except FAILURES as error:
            if pause is None or not any(word in str(error).lower() for word in _TRANSIENT):
                why, words = _explained(error), short(error)
                told = why if why == words else f"{why} ({words})"
                raise ServerError(f"Image {image} cannot be pulled: {told}.") from error
            time.sleep(pause)


def remove_labelled(session: str) -> None:
    """Remove all containers of a session, whatever state they are in.

    Raises:
        ServerError: The engine does not answer, or fails.
    """
    client = connect(_ANSWER_SECONDS)
    try:
        filters = {"label": f"{LABEL}={session}"}
        for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
            _remove(container)
    except FAILURES as error:
        raise ServerError(f"The container engine fails: {short(error)}.") from error
    finally:
        client.close()


def _remove(container: Any) -> None:
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise
        with contextlib.suppress(docker.errors.NotFound):
            container.wait(condition="removed")


def _pull(client: Any, image: str) -> None:
    """Pull an image; what fails after the first line is told in a later one, which docker's own pull ignores."""
    repository, tag = docker.utils.parse_repository_tag(image)
    for line in client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
        if "error" in line:
            raise docker.errors.APIError(line["error"])


def _has(client: Any, image: str) -> bool:
    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def _is_built_for(arch: str, client: Any, image: str) -> bool:
    # Registries name a variant of some processors, arm64/v8, which docker's own comparison does not overlook.
    platforms = client.images.get_registry_data(image).attrs["Platforms"]
    return any((one["os"], one["architecture"]) == ("linux", arch) for one in platforms)


def _explained(error: Exception) -> str:
    text = str(error).lower()
    known = (advice for words, advice in _PULL_PROBLEMS if any(word in text for word in words))
    return next(known, short(error))


def advice(words: str) -> str:
    """Return what to do where words say that a program does not start, as a sentence behind a blank; else nothing."""
    return f" As to its image, {_OTHER_PROCESSOR}." if "exec format error" in words.lower() else ""


def short(error: Exception) -> str:
    """Return an engine's error in its own words, without the request that it answered."""
    explanation = getattr(error, "explanation", None)
    return str(explanation or error).strip().splitlines()[-1].strip('"').rstrip(".")
