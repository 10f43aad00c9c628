"""The manager: keeps what is served in step with the configuration and with the file system."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from pytest_tfsig.errors import TfsigError
from pytest_tfsig.model_server import config as configuration
from pytest_tfsig.model_server import versions
from pytest_tfsig.model_server.lifecycle import (
    Action,
    Monitor,
    Phase,
    Policy,
    State,
    availability_preserving,
    unavailable,
)
from pytest_tfsig.model_server.servables import Servable, Table
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_tfsig.model_server.lifecycle import Row

__all__ = ["Manager", "Options"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a manager behaves.

    Args:
        poll_seconds: Time between looks at the file system; 0 looks once after each configuration, negative never.
        load_threads: How many versions may load at once; 0 for four per CPU.
        load_retries: Further attempts after a load failed.
        load_retry_seconds: Time between attempts.
        labels_for_unavailable: Whether a new label may name a version that is not served yet.
        policy: The order of loading and unloading.
    """

    poll_seconds: float = 1.0
    load_threads: int = 0
    load_retries: int = 5
    load_retry_seconds: float = 60.0
    labels_for_unavailable: bool = False
    policy: Policy = availability_preserving


@dataclass(slots=True, eq=False)
class _Version:
    """A version that is managed: wanted, loading, serving or on its way out."""

    name: str
    number: int
    directory: Path
    aspired: bool = True
    phase: Phase = Phase.NEW
    servable: Servable | None = None
    unwanted: threading.Event = field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.number}}}"


@final
class Manager:
    """Serves the models of a configuration.

    Args:
        load: Loads one version: name, number, directory -> servable.
        options: How to behave.
    """

    def __init__(self, load: Callable[[str, int, Path], Servable], options: Options | None = None) -> None:
        self._load_version = load
        self._options = options or Options()
        self._monitor = Monitor()
        self._table = Table()
        self._config: Any = None
        self._reloading = threading.Lock()
        self._models: dict[str, configuration.Model] = {}
        self._versions: dict[str, dict[int, _Version]] = {}
        self._pending: dict[str, dict[int, Path]] = {}
        self._changed = threading.Condition(threading.RLock())
        self._dirty = False
        self._poll_due: float | None = None
        self._stopping = False
        self._workers = ThreadPoolExecutor(self._options.load_threads or 4 * (os.cpu_count() or 1), "load")
        self._thread = threading.Thread(target=self._loop, name="manager", daemon=True)
        self._thread.start()
        self.get = self._table.get

    def rows(self, name: str) -> list[Row]:
        """The status of all versions of a model that were ever known, newest first."""
        return self._monitor.rows(name)

    def reload(self, config: Any, keep_waiting: Callable[[], bool] = lambda: True) -> None:
        """Serve a ModelServerConfig from now on; return when each new model has a version that is available.

        Args:
            config: The ModelServerConfig message.
            keep_waiting: Asked while waiting for models; False gives up waiting.

        Raises:
            StatusError: The configuration is not acceptable, or a new model failed to load.
        """
        with self._reloading:
            first = self._config is None
            if config.WhichOneof("config") is None:
                logger.info("Taking no action for empty config.")
                return
            models = configuration.models(config)
            if not first:
                self._refuse_changed_platforms(config)
            self._config = config
            self._label(models)
            configuration.refuse_unsupported_platforms(config)
            for model in models:
                logger.info(" (Re-)adding model: %s", model.name)
            since = self._monitor.changes
            with self._changed:
                new = {model.name for model in models} - set(self._models)
                for name in set(self._models) - {model.name for model in models}:
                    self._pending[name] = {}
                self._models = {model.name: model for model in models}
                if self._options.poll_seconds >= 0:
                    self._poll_due = 0.0
                self._changed.notify_all()
            decided = self._monitor.wait(new, since, keep_waiting)
            error = unavailable(decided, "servable(s)" if first else "model(s)")
            if error is not None:
                raise error
            logger.info("Finished adding/updating models")

    def stop(self) -> None:
        """Stop polling and loading; what is being served stays loaded."""
        with self._changed:
            self._stopping = True
            for version in self._all():
                version.unwanted.set()
            self._changed.notify_all()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _refuse_changed_platforms(self, config: Any) -> None:
        old = configuration.platforms(self._config)
        for name, platform in configuration.platforms(config).items():
            if name in old and old[name] != platform:
                raise StatusError(
                    Code.INVALID_ARGUMENT,
                    f"Illegal to change a model's platform. For model {name} platform was {old[name]} and new "
                    f"platform requested is {platform}",
                )

    def _label(self, models: list[configuration.Model]) -> None:
        labels: dict[str, Mapping[str, int]] = {}
        for model in models:
            available = {row.version for row in self.rows(model.name) if row.state is State.AVAILABLE}
            for label, version in model.labels.items():
                if version not in available and not self._may_wait(model.name, label, version):
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {model.name}, which is not currently "
                        "available for inference",
                    )
            labels[model.name] = model.labels
        self._table.label(labels)

    def _may_wait(self, name: str, label: str, version: int) -> bool:
        """Whether a label may name a version that is not available: if the server allows it and the label is new."""
        if not self._options.labels_for_unavailable:
            return False
        try:
            return self._table.version(name, label) == version
        except StatusError:
            return True

    def _all(self) -> list[_Version]:
        return [version for versions_ in self._versions.values() for version in versions_.values()]

    def _loop(self) -> None:
        while True:
            with self._changed:
                if not self._dirty and not self._is_poll_due():
                    self._changed.wait(None if self._poll_due is None else self._poll_due - time.monotonic())
                if self._stopping:
                    return
                self._dirty = False
                if self._is_poll_due():
                    self._poll()
                self._flush()
                self._take_over()
                self._act()

    def _is_poll_due(self) -> bool:
        return self._poll_due is not None and time.monotonic() >= self._poll_due

    def _poll(self) -> None:
        seconds = self._options.poll_seconds
        self._poll_due = time.monotonic() + seconds if seconds > 0 else None
        try:
            found = {
                model.name: versions.aspired(model.name, model.base, model.policy) for model in self._models.values()
            }
        except StatusError as error:
            logger.error(  # noqa: TRY400 - the message says it all
                "FileSystemStoragePathSource encountered a filesystem access error: %s", error.message
            )
            return
        self._pending.update(found)

    def _flush(self) -> None:
        """Forget versions that nobody wants and that are not, or no longer, loaded."""
        for managed in self._versions.values():
            for version in list(managed.values()):
                if not version.aspired and version.phase in {Phase.NEW, Phase.DONE, Phase.FAILED}:
                    if version.phase is Phase.NEW:
                        self._monitor.publish(version.name, version.number, State.END)
                    del managed[version.number]

    def _take_over(self) -> None:
        """Make what the file system asked for the aim, unless a version of it is still on its way out."""
        for name, wanted in list(self._pending.items()):
            managed = self._versions.setdefault(name, {})
            if any(not managed[number].aspired for number in wanted if number in managed):
                continue
            del self._pending[name]
            for version in managed.values():
                if version.number not in wanted:
                    version.aspired = False
                    version.unwanted.set()
            for number in wanted.keys() - managed.keys():
                managed[number] = _Version(name, number, wanted[number])
                self._monitor.publish(name, number, State.START)

    def _act(self) -> None:
        for managed in self._versions.values():
            step = self._options.policy(list(managed.values()))
            if step is None:
                continue
            action, chosen = step
            version = managed[chosen.number]
            self._dirty = True
            if action is Action.LOAD:
                version.phase = Phase.LOADING
                self._workers.submit(self._load, version)
            else:
                version.phase = Phase.UNLOADING
                self._publish_table()
                # not one of the workers: it waits for requests, which may take long
                threading.Thread(target=self._unload, args=(version,), name="unload", daemon=True).start()

    def _publish_table(self) -> None:
        self._table.update(
            version.servable for version in self._all() if version.phase is Phase.READY and version.servable is not None
        )

    def _load(self, version: _Version) -> None:
        self._monitor.publish(version.name, version.number, State.LOADING)
        logger.info("Loading servable version %s", version)
        try:
            version.servable = self._try_to_load(version)
        except StatusError as error:
            logger.info("Encountered an error for servable version %s: %s", version, error)
            self._done(version, Phase.FAILED, State.END, error)
            return
        if version.unwanted.is_set():
            version.servable.unload()
            cancelled = StatusError(Code.CANCELLED, "Loading of servable cancelled")
            self._done(version, Phase.FAILED, State.END, cancelled)
            return
        logger.info("Successfully loaded servable version %s", version)
        self._done(version, Phase.READY, State.AVAILABLE)

    def _try_to_load(self, version: _Version) -> Servable:
        attempt = 0
        while True:
            try:
                return self._load_version(version.name, version.number, version.directory)
            except StatusError as error:
                failure = error.readable()
            except TfsigError as error:
                failure = StatusError(Code.INTERNAL, str(error))
            except Exception as error:  # whatever a broken model does, the server goes on
                logger.exception("Loading %s failed", version)
                failure = StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
            attempt += 1
            if attempt > self._options.load_retries:
                raise failure
            logger.error(
                "Loading servable: %s failed: %s. Retry %s of %s follows in %g s",
                version,
                failure,
                attempt,
                self._options.load_retries,
                self._options.load_retry_seconds,
            )
            if version.unwanted.wait(max(0.0, self._options.load_retry_seconds)):
                raise failure

    def _done(self, version: _Version, phase: Phase, state: State, error: StatusError | None = None) -> None:
        with self._changed:
            version.phase = phase
            self._publish_table()
            self._monitor.publish(version.name, version.number, state, error)
            self._dirty = True
            self._changed.notify_all()

    def _unload(self, version: _Version) -> None:
        self._monitor.publish(version.name, version.number, State.UNLOADING)
        logger.info("Quiescing servable version %s", version)
        if version.servable is not None:
            version.servable.unload()
            version.servable = None
        logger.info("Done unloading servable version %s", version)
        self._done(version, Phase.DONE, State.END)
