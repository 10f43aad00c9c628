"""The models of a session: each is found on disk once, and served once it is needed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pytest_tfsig import checks
from pytest_tfsig.errors import ModelLoadError, ServerError, UsageError
from pytest_tfsig.reports import ModelIdentity
from pytest_tfsig.savedmodel import digest, read, resolve
from pytest_tfsig.serving import ServedModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_tfsig.checks import Check, Outcome, Subject
    from pytest_tfsig.contract import Contract
    from pytest_tfsig.running import RunningServer
    from pytest_tfsig.savedmodel import ModelPath, SavedModel, SignatureSpec


@dataclass(frozen=True, slots=True)
class Target:
    """What one group of test items judges: a model and its contract.

    Attributes:
        model: The SavedModel's path, or its name on a remote server.
        contract: What callers may rely on, as it was stated.
        name: The name to serve it under; None: the path's own.
        source: Where the contract is written, as users know it; "" where it is inferred.
        file: The file that the contract is written in; None where it is inferred.
    """

    model: str
    contract: Contract
    name: str | None = None
    source: str = ""
    file: Path | None = None

    @property
    def consumer(self) -> str:
        """Whose contract it is: as the contract says, else its file's name; "" where it is inferred."""
        if self.contract.consumer or self.file is None:
            return self.contract.consumer
        return self.file.name.removesuffix(".tfsig.toml").removesuffix(".py")


class Judge(Protocol):
    """What a model under test needs of the session that it belongs to."""

    current: ModelUnderTest | None

    def outcome(self, target: Target, signature: str, check: Check, pytest_line: str = "") -> Outcome:
        """Judges one signature of a target by one check; no error of a model or a server gets out."""


class ModelUnderTest(ServedModel):
    """A served model that knows its contract, as tests meet it."""

    session: Judge
    target: Target
    pytest_line: str = ""

    def check(self, name: str, signature: str = "serving_default") -> Outcome:
        """Runs one check, and returns its outcome where it holds.

        Args:
            name: The check's name, such as "batch_invariant".
            signature: The signature's name.

        Raises:
            Violation: The check does not hold.
            UsageError: There is no such check, or it could not judge.
        """
        known = checks.checks()
        if name not in known:
            raise UsageError(f"there is no check {name!r}; it is one of {', '.join(known)}")
        outcome = self.session.outcome(self.target, signature, known[name], self.pytest_line)
        if outcome.violation is not None:
            raise outcome.violation
        if outcome.verdict in {"error", "inconclusive"}:
            raise UsageError(f"the check {name} could not judge: {outcome.message}")
        return outcome


class CurrentModel:
    """The model that the running test is about: everything a ModelUnderTest has, looked up when it is used.

    One object for the whole session, so that Hypothesis, which refuses fixtures made anew for each test, accepts it
    beside @given.
    """

    def __init__(self, session: Judge) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if self._session.current is None:
            raise UsageError("served_model was used outside a test: no model is under test there")
        return getattr(self._session.current, name)

    def __repr__(self) -> str:
        return repr(self._session.current)


@dataclass(slots=True)
class Model:
    """A model of the session.

    Attributes:
        identity: Its name, version and digest, for reports.
        path: Where it lies on disk; None: only a remote server knows.
        saved_model: What its files say; None for a remote model.
        served: The handle on it, once it is served.
        refusal: Why the server does not serve it, once that is known.
        kept: Whether it was handed out for the whole session, so that it may be asked at any time.
        subjects: What its checks share, by contract and signature.
        contracts: The contracts whose ids are keys of `subjects`.
    """

    identity: ModelIdentity
    path: ModelPath | None
    saved_model: SavedModel | None
    served: ModelUnderTest | None = None
    refusal: ModelLoadError | None = None
    kept: bool = False
    subjects: dict[tuple[int, str], Subject] = field(default_factory=dict)
    contracts: list[Contract] = field(default_factory=list)


class Models:
    """Every model of a session, by its path and name.

    Args:
        judge: The session that the models' `check` asks.
        server: What serves them, started when it is first needed.
        remote: Whether models are names on a remote server.
        timeout: Seconds that an answer of a served model may take.
    """

    def __init__(self, judge: Judge, server: RunningServer, *, remote: bool, timeout: float) -> None:
        self._judge = judge
        self._server = server
        self._remote = remote
        self._timeout = timeout
        self._models: dict[tuple[str, str | None], Model] = {}
        self._held: list[Model] = []

    def of(self, target: Target) -> Model:
        """Returns a target's model.

        Raises:
            SavedModelError: There is no readable SavedModel.
        """
        key = (target.model, target.name)
        if key not in self._models:
            self._models[key] = self._found(target)
        return self._models[key]

    def served(self, target: Target) -> ModelUnderTest:
        """Returns a target's model, served.

        Raises:
            SavedModelError: There is no readable SavedModel.
            ModelLoadError: The server refuses it.
            ServerError: The server cannot be started.
        """
        model = self.of(target)
        if model.refusal is not None:
            raise model.refusal
        self._server.get()  # once it cannot be started again, this says why
        if model.served is None:
            model.served = self._handle(model, target)
        self._hold(model)
        model.served.target = target
        return model.served

    def keep(self, target: Target) -> ModelUnderTest:
        """Returns a target's model, served until the session ends."""
        self.of(target).kept = True
        return self.served(target)

    def release(self) -> None:
        """Needs what was served no longer: the server may use the room for others until it is needed again."""
        kept = [model for model in self._held if model.kept]
        names = {(model.identity.name, model.identity.version) for model in kept}
        for model in self._held:
            if model.path is not None and (model.identity.name, model.path.version) not in names:
                with contextlib.suppress(ServerError):  # it cannot be told: then it is gone, or not ours any more
                    self._server.get().release(model.identity.name, model.path.version)
        self._held = kept

    def specs(self, target: Target) -> Mapping[str, SignatureSpec]:
        """Returns the signatures of a target's model: as its files say, or as the remote server does."""
        model = self.of(target)
        return self.served(target).signatures if model.saved_model is None else model.saved_model.signatures

    def withdraw(self) -> None:
        """Serves the models no longer, and forgets them."""
        for model in self._models.values():
            if model.served is not None and model.path is not None:
                with contextlib.suppress(ServerError):  # it cannot be told: there is nothing to withdraw from
                    self._server.get().remove(model.identity.name, model.path.version)
        self.close()

    def close(self) -> None:
        """Closes the connections to all models."""
        for model in self._models.values():
            if model.served is not None:
                model.served.close()
        self._models.clear()
        self._held.clear()

    def _found(self, target: Target) -> Model:
        if self._remote:
            return Model(ModelIdentity(target.model, target.name or target.model, None), None, None)
        path = resolve(target.model)
        saved_model = read(path.directory)
        name = self._server.name(target.name or path.name, path.directory)
        identity = ModelIdentity(target.model, name, path.version, digest(path.directory))
        return Model(identity, path, saved_model)

    def _handle(self, model: Model, target: Target) -> ModelUnderTest:
        served = ModelUnderTest(
            self._server.get(),
            model.identity.name,
            signatures=None if model.saved_model is None else model.saved_model.signatures,
            version=None if model.path is None else model.path.version,
            timeout=self._timeout,
        )
        served.session, served.target = self._judge, target
        return served

    def _hold(self, model: Model) -> None:
        """Has the server serve a model from here until `release`."""
        if model.path is None or any(model is held for held in self._held):
            return
        try:
            self._server.get().add(model.identity.name, model.path.version, model.path.directory)
        except ModelLoadError as error:
            model.refusal = error
            raise
        self._held.append(model)
