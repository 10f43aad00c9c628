"""The choice of a server: what was asked for, or the first way that works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.serving import availability
from pytest_tfsig.serving.protocol import DEFAULT_IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_tfsig.serving.managed import ManagedServer
    from pytest_tfsig.serving.protocol import Runner, Server

__all__ = ["Choice", "choose", "launch", "runner_for", "start"]

Kind = Literal["container", "binary", "embedded", "remote"]
# The order of `auto`: the nearer to production, the earlier.
ORDER: tuple[Kind, ...] = ("container", "binary", "embedded")


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """A way of serving, and why it was taken.

    Args:
        kind: `container`, `binary`, `embedded` or `remote`.
        why: In a few words, for pytest's header.
        rejected: The ways that `auto` prefers and did not take: kind and reason.
    """

    kind: Kind
    why: str
    rejected: tuple[tuple[Kind, str], ...] = ()


def choose(choice: str = "auto", *, image: str = DEFAULT_IMAGE) -> Choice:
    """Decide how to serve; a demand is taken at its word, `auto` looks what there is.

    Without a container engine that takes a few milliseconds and imports nothing heavy. With one that lacks the image,
    its registry is asked, for some seconds at most.

    Args:
        choice: `auto`, `container`, `binary`, `embedded` or `HOST:PORT`.
        image: The image that a container would run.

    Raises:
        UsageError: The choice is none of these.
        ServerError: `auto`, and nothing works here.
    """
    if choice in ("container", "binary", "embedded"):
        return Choice(choice, "as asked")  # type: ignore[arg-type] # mypy does not narrow a str to these literals
    if choice != "auto":
        if availability.is_address(choice):
            return Choice("remote", "as asked")
        raise UsageError(f"{choice!r} is no server: write auto, container, binary, embedded or HOST:PORT.")
    rejected: list[tuple[Kind, str]] = []
    for kind in ORDER:
        reason = _why_not(kind, image)
        if reason is None:
            return Choice(kind, "the first that works here", tuple(rejected))
        rejected.append((kind, reason))
    reasons = "; ".join(f"{kind}: {reason}" for kind, reason in rejected)
    raise ServerError(f"No model server can be started here. {reasons}. Provide one of them, or give HOST:PORT.")


def start(
    choice: str = "auto",
    *,
    image: str = DEFAULT_IMAGE,
    rest: str | None = None,
    timeout: float = 60.0,
    op_libraries: Sequence[Path] = (),
    flags: Sequence[str] = (),
    owner: int | None = None,
) -> Server:
    """Start a server without models, or connect to one.

    Args:
        choice: `auto`, `container`, `binary`, `embedded` or `HOST:PORT`.
        image: The image that a container runs.
        rest: `HOST:PORT` of a remote server's REST API.
        timeout: Seconds that the server may take to start, and a model to load.
        op_libraries: Shared libraries of custom ops, for the embedded server.
        flags: Further flags of `tensorflow_model_server`.
        owner: The process whose end is to be the server's end; None: this one.

    Raises:
        ServerError: What was demanded cannot be started; for `auto`, nothing can.
        UsageError: The choice is none of these.
    """
    if availability.is_address(choice):
        from pytest_tfsig.serving.remote import RemoteServer

        return RemoteServer(choice, rest=rest, timeout=timeout)
    return launch(choice, image=image, timeout=timeout, op_libraries=op_libraries, flags=flags, owner=owner)


def launch(
    choice: str,
    *,
    image: str = DEFAULT_IMAGE,
    timeout: float = 60.0,
    op_libraries: Sequence[Path] = (),
    flags: Sequence[str] = (),
    owner: int | None = None,
    parent: Path | None = None,
) -> ManagedServer:
    """Start a server of ours without models: `start` for every choice but an address.

    Args:
        choice: `auto`, `container`, `binary` or `embedded`.
        image: The image that a container runs.
        timeout: Seconds that the server may take to start, and a model to load.
        op_libraries: Shared libraries of custom ops, for the embedded server.
        flags: Further flags of `tensorflow_model_server`.
        owner: The process whose end is to be the server's end; None: this one.
        parent: A folder of the run's own for the server's session folder, deleted with it; None: where temporary files
            go.

    Raises:
        ServerError: What was demanded cannot be started; for `auto`, nothing can.
        UsageError: The choice is none of these.
    """
    from pytest_tfsig.serving.managed import ManagedServer

    first = choose(choice, image=image).kind
    candidates = ORDER[ORDER.index(first) :] if choice == "auto" else (first,)
    problems: list[str] = []
    for kind in candidates:
        try:
            runner = runner_for(kind, image=image, op_libraries=op_libraries, flags=flags)
            return ManagedServer.launch(runner, owner=owner, timeout=timeout, parent=parent)
        except ServerError as error:
            if choice != "auto":
                raise
            problems.append(str(error))
    raise ServerError("\n".join(["No model server could be started here.", *problems]))


def runner_for(
    kind: Kind, *, image: str = DEFAULT_IMAGE, op_libraries: Sequence[Path] = (), flags: Sequence[str] = ()
) -> Runner:
    """Return the runner of a kind.

    Raises:
        ServerError: It cannot load custom ops, and some were given.
    """
    if kind == "embedded":
        from pytest_tfsig.serving.embedded import EmbeddedRunner

        return EmbeddedRunner(op_libraries=op_libraries, flags=flags)
    if op_libraries:
        raise ServerError(
            f"Custom op libraries cannot be loaded into a {kind} server, which has its ops built in: use the "
            "embedded server, or an image built with the ops."
        )
    if kind == "binary":
        from pytest_tfsig.serving.binary import BinaryRunner

        return BinaryRunner(flags=flags)
    from pytest_tfsig.serving.container import ContainerRunner

    return ContainerRunner(image, flags=flags)


def _why_not(kind: Kind, image: str) -> str | None:
    if kind == "container":
        return availability.why_no_container(image)
    return availability.why_no_binary() if kind == "binary" else availability.why_no_embedded()
