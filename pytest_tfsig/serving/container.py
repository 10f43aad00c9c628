"""TensorFlow Serving in a container: the models mounted read-only, or copied in where the engine is elsewhere."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from pytest_tfsig.errors import ServerError
from pytest_tfsig.serving import engine, memory
from pytest_tfsig.serving.embedded import COMMON_FLAGS
from pytest_tfsig.serving.folder import writing
from pytest_tfsig.serving.process import describe_exit
from pytest_tfsig.serving.protocol import DEFAULT_IMAGE, Instance
from pytest_tfsig.serving.readiness import listens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_tfsig.serving.folder import Folder
    from pytest_tfsig.serving.reach import Reach

__all__ = ["ContainerRunner"]

MODELS = "/models"
GRPC_PORT, REST_PORT = 8500, 8501
_LOG_LINES = 400
_ANSWER_SECONDS = 10
_PIDS = 4096
# The rest of the machine must live on when a model eats all the memory it can get.
_MEMORY_SHARE = 0.8


@final
class ContainerRunner:
    """Runs an image with the entry point of `tensorflow/serving`.

    Args:
        image: The image; it is pulled if the engine does not have it.
        flags: Further flags of `tensorflow_model_server`.
        mounts: Further folders of this machine that the container sees read-only: path here and path there.
    """

    kind = "container"

    def __init__(
        self, image: str = DEFAULT_IMAGE, *, flags: Sequence[str] = (), mounts: Sequence[tuple[Path, str]] = ()
    ) -> None:
        self._image = image
        self._flags = (*COMMON_FLAGS, *flags)
        self._mounts = tuple(mounts)

    @property
    def description(self) -> str:
        """The image."""
        return f"container of {self._image}"

    def base_path(self, folder: Folder, name: str) -> str:  # noqa: ARG002 - the protocol's
        """Return the path of the staged model in the container."""
        return f"{MODELS}/{name}"

    def stage(self, folder: Folder, instance: Instance, name: str, version: int, directory: Path) -> None:
        """Put the version's files into the mounted folder, or into the container.

        Raises:
            ServerError: They cannot be copied into the container.
        """
        if not instance.copied:
            folder.materialize(name, version, directory)
            return
        with _container(instance) as container:
            _copy(container, directory, f"{MODELS}/{name}/{version}")

    def start(self, folder: Folder, *, owner: int, timeout: float) -> Instance:  # noqa: ARG002 - the reaper watches the owner
        """Start a container and return when the server in it answers.

        Raises:
            ServerError: There is no engine or no image, or the server did not start in time; the message shows its log.
        """
        client = engine.connect()
        try:
            engine.provide_image(client, engine.full_name(self._image))
            limit = int(client.info()["MemTotal"] * _MEMORY_SHARE)
        except engine.FAILURES as error:
            raise ServerError(f"The container engine fails: {engine.short(error)}.") from error
        finally:
            client.close()
        copied = not engine.sees_our_files()
        try:
            return self._run(folder, limit, timeout, copied=copied)
        except engine.FAILURES as error:
            # The engine of another machine behind a local socket, as where pytest itself runs in a container.
            if copied or "bind source path does not exist" not in str(error):
                raise self._not_started(error) from error
        try:
            return self._run(folder, limit, timeout, copied=True)
        except engine.FAILURES as error:
            raise self._not_started(error) from error

    def alive(self, instance: Instance) -> bool:
        """Whether the container runs."""
        try:
            with _container(instance) as container:
                return bool(container.attrs["State"]["Running"])
        except ServerError:
            # Containers may outlive their engine, as where it is only being upgraded.
            return listens(instance)

    def logs(self, folder: Folder, instance: Instance | None) -> str:  # noqa: ARG002 - the protocol's
        """Return the end of the container's log."""
        if instance is None:
            return ""
        with contextlib.suppress(ServerError), _container(instance) as container:
            return _log(container)
        return ""

    def ending(self, instance: Instance) -> str:
        """Return how the container ended."""
        with contextlib.suppress(ServerError), _container(instance) as container:
            return _ending(container)
        return ""

    def stop(self, folder: Folder, instance: Instance | None) -> None:  # noqa: ARG002 - the protocol's
        """Remove the container, running or not.

        Raises:
            ServerError: The engine does not answer.
        """
        if folder.asked.exists():
            engine.remove_labelled(folder.path.name)

    def _not_started(self, error: Exception) -> ServerError:
        words = engine.short(error)
        return ServerError(f"A container of {self._image} cannot be started: {words}.{engine.advice(words)}")

    def _run(self, folder: Folder, limit: int, timeout: float, *, copied: bool) -> Instance:
        from docker.types import LogConfig
        from testcontainers.core.docker_client import DockerClient

        from pytest_tfsig.serving.reach import Reach

        mounts = [_mount(there, here) for here, there in self._mounts]
        if not copied:
            mounts.append(_mount(MODELS, folder.models))
        # testcontainers knows how an engine is reached. Its own way to start a container would begin with Ryuk, one
        # more image to pull, and with a label by which Ryuk removes what others may still use: our reaper does that.
        client = DockerClient(**engine.client_options())
        try:
            engine.straight(client.client)
            reach = Reach(client)
            with writing(folder.path):
                folder.asked.touch()
            container = client.client.containers.create(
                engine.full_name(self._image),
                command=[f"--model_config_file={MODELS}/{folder.config.name}", *self._flags],
                **reach.options((GRPC_PORT, REST_PORT)),
                mounts=mounts,
                labels={engine.LABEL: folder.path.name},
                mem_limit=limit,
                pids_limit=_PIDS,
                # A model needs to read files that only their owner may read, and nothing else that root may.
                cap_drop=["ALL"],
                cap_add=["DAC_READ_SEARCH"],
                security_opt=["no-new-privileges:true", "label=disable"],
                log_config=LogConfig(type="json-file", config={"max-size": "16m", "max-file": "2"}),
            )
            if copied:
                _copy(container, folder.config, f"{MODELS}/{folder.config.name}")
            container.start()
            # The engine of another machine has memory of its own; this machine's may be in use.
            free = limit if copied else min(limit, memory.available())
            return replace(_await(reach, container, timeout, copied=copied), capacity=memory.capacity(free))
        except BaseException:
            with contextlib.suppress(ServerError):
                self.stop(folder, None)
            raise
        finally:
            client.client.close()


def _await(reach: Reach, container: Any, timeout: float, *, copied: bool) -> Instance:
    deadline = time.monotonic() + timeout
    pause = 0.02
    while True:
        container.reload()
        if container.status not in ("created", "running"):
            log = _log(container)
            raise ServerError(
                f"The server's container ended at once ({_ending(container)}).{engine.advice(log)} Its log:\n{log}"
            )
        instance = _published(reach, container, copied=copied) if container.status == "running" else None
        if instance is not None and listens(instance):
            return instance
        if time.monotonic() > deadline:
            raise ServerError(
                f"The server's container ({container.status}) did not answer within {timeout:g} s. Its log:\n"
                f"{_log(container)}"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def _published(reach: Reach, container: Any, *, copied: bool) -> Instance | None:
    """Return where the container is reached; None where it ended since it was looked at: the next look says how."""
    try:
        grpc, rest = (reach.address(container, port) for port in (GRPC_PORT, REST_PORT))
    except ConnectionError:
        return None
    return Instance(grpc, f"http://{rest}", container=container.id, copied=copied)


def _mount(there: str, here: Path) -> Any:
    """Mount a folder of this machine; of one that the engine does not find it complains, where a volume is made."""
    from docker.types import Mount

    return Mount(there, str(here), type="bind", read_only=True)


def _copy(container: Any, here: Path, there: str) -> None:
    """Copy a file or folder of this machine into a container, running or not."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", dereference=True) as archive:
            archive.add(here.resolve(), arcname=there.lstrip("/"))
        file.seek(0)
        container.put_archive("/", file)


@contextlib.contextmanager
def _container(instance: Instance) -> Iterator[Any]:
    client = engine.connect(_ANSWER_SECONDS)
    try:
        yield client.containers.get(instance.container)
    except engine.FAILURES as error:
        raise ServerError(f"The container engine fails: {engine.short(error)}.") from error
    finally:
        client.close()


def _log(container: Any) -> str:
    return str(container.logs(tail=_LOG_LINES).decode("utf-8", "replace"))


def _ending(container: Any) -> str:
    state = container.attrs["State"]
    if state["Running"]:
        return ""
    return "out of memory" if state.get("OOMKilled") else describe_exit(state["ExitCode"])
