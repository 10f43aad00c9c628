"""One test session: which models are served and how, what was judged, where results go."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig import checks, serving
from pytest_tfsig.checks.loads import refused
from pytest_tfsig.checks.render import inputs_text, violation_text
from pytest_tfsig.contract import Contract
from pytest_tfsig.errors import ContractError, ModelLoadError, TfsigError, UsageError
from pytest_tfsig.reports import ModelIdentity, Result
from pytest_tfsig.savedmodel import digest, read, resolve
from pytest_tfsig.serving import ServedModel
from pytest_tfsig.serving.identity import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks import Check, Outcome, Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.options import Options
    from pytest_tfsig.savedmodel import ModelPath, SavedModel, SignatureSpec
    from pytest_tfsig.serving import Server


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


class ModelUnderTest(ServedModel):
    """A served model that knows its contract, as tests meet it."""

    session: Session
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

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        if self._session.current is None:
            raise UsageError("served_model was used outside a test: no model is under test there")
        return getattr(self._session.current, name)

    def __repr__(self) -> str:
        return repr(self._session.current)


@dataclass(slots=True)
class _Model:
    """A model of the session: on disk, and served once it is needed."""

    identity: ModelIdentity
    path: ModelPath | None
    saved_model: SavedModel | None
    served: ModelUnderTest | None = None
    refusal: ModelLoadError | None = None
    subjects: dict[tuple[int, str], Subject] = field(default_factory=dict)
    contracts: list[Contract] = field(default_factory=list)


class Session:
    """Serves models lazily in one server, judges them, and stops the server at the end.

    Args:
        options: What the user asked for.
        cache: Folder that is kept between runs: falsifying inputs are remembered there.
        seed: Draws every check's inputs; None derives it from the model, so that a model is judged alike every time.
        owner: The process whose end ends the server; None: this one.
        under_xdist: Whether other test processes run beside this one.
    """

    def __init__(
        self,
        options: Options,
        cache: Path | None = None,
        *,
        seed: int | None = None,
        owner: int | None = None,
        under_xdist: bool = False,
    ) -> None:
        self.options = options
        self._cache = cache
        self._seed = seed
        self._owner = owner
        self._under_xdist = under_xdist
        self._server: Server | None = None
        self._unstartable: TfsigError | None = None
        self._choice = ""
        self._models: dict[tuple[str, str | None], _Model] = {}
        self.current: ModelUnderTest | None = None

    @property
    def server(self) -> Server:
        """The server of this session, started on first use.

        Raises:
            ServerError: It cannot be started or reached.
        """
        if self._unstartable is not None:  # it cost up to --tfsig-start-timeout: once is enough
            raise self._unstartable
        if self._server is None:
            try:
                self._server = self._started()
            except TfsigError as error:
                self._unstartable = error
                raise
        return self._server

    def _started(self) -> Server:
        options = self.options
        chosen = serving.choose(options.server, image=options.image or serving.DEFAULT_IMAGE)
        self._choice = chosen.why
        return serving.start(
            options.server,
            image=options.image or serving.DEFAULT_IMAGE,
            rest=options.rest,
            timeout=options.start_timeout,
            op_libraries=[Path(library) for library in options.op_library],
            owner=self._owner,
        )

    def server_info(self) -> dict[str, Any]:
        """Returns what served the models, for reports; empty where nothing was served."""
        if self._server is None:
            return {}
        return {
            "kind": self._server.kind,
            "description": self._server.description,
            "chosen": self._choice,
            "identity": identity(self._server, self.options.image or serving.DEFAULT_IMAGE),
        }

    def serve(self, path: str | Path, name: str | None = None) -> ModelUnderTest:
        """Returns a model, served.

        Args:
            path: A version directory, a base directory (its newest version is served) or any SavedModel.
            name: The name to serve it under; None: the base directory's.

        Raises:
            SavedModelError: There is no readable SavedModel there.
            ModelLoadError: The server refuses it.
            ServerError: The server cannot be started.
        """
        return self.served(Target(str(path), Contract(), name))

    def served(self, target: Target) -> ModelUnderTest:
        """Returns a target's model, served; see `serve`."""
        model = self._model(target)
        if model.refusal is not None:
            raise model.refusal
        if model.served is None:
            model.served = self._start(model, target)
        model.served.target = target
        return model.served

    def signatures(self, target: Target) -> dict[str, Signature]:
        """Returns a target's contracts by signature, completed from the model.

        Raises:
            ContractError: The contract names a signature that the model lacks, or contradicts itself.
        """
        return dict(target.contract.completed(self._specs(target)).signatures)

    def outcome(self, target: Target, signature: str, check: Check, pytest_line: str = "") -> Outcome:
        """Judges one signature of a target by one check; no error of a model or a server gets out."""
        model = self._model(target)
        try:
            subject = self._subject(model, target, signature, pytest_line)
            if check.against_baseline and subject.baseline is None:
                subject.baseline = self._baseline(model)
        except ModelLoadError as error:
            if check.name == "loads":
                return refused(error)
            return checks.Outcome("error", "not judged: the server cannot load the model; see the check loads")
        except TfsigError as error:
            return self._unjudged(check, error)
        outcome = checks.run(check, subject)
        if not self.server.alive():
            self.server.restart()
        return outcome

    def _unjudged(self, check: Check, error: TfsigError) -> Outcome:
        """Returns the outcome where the contract and the model do not fit together: the check `signature` says so."""
        if isinstance(error, ContractError) and check.name == "signature":
            return checks.Outcome("fail", str(error), 0, checks.Violation(str(error)))
        if isinstance(error, ContractError):
            return checks.Outcome("error", "not judged: the model does not fit the contract; see the check signature")
        return checks.Outcome("error", str(error))

    def judge(self, target: Target, signature: str, check: Check, pytest_line: str = "") -> tuple[Result, Outcome]:
        """Judges as `outcome` does and returns the result for reports beside it.

        Raises:
            SavedModelError: There is no readable model to judge.
        """
        began = time.perf_counter()
        model = self._model(target).identity
        outcome = self.outcome(target, signature, check, pytest_line)
        outcome = self._as_told(outcome)
        violation = outcome.violation
        falsifying = None
        if violation is not None and violation.inputs is not None:
            falsifying = {name: inputs_text({name: value}) for name, value in violation.inputs.items()}
        result = Result(
            model,
            signature,
            check.name,
            outcome.verdict,
            outcome.message,
            outcome.examples,
            time.perf_counter() - began,
            falsifying,
            {} if violation is None else violation.reproduction.as_dict(),
            outcome.message if violation is None else violation_text(violation),
            target.source,
            dict(outcome.details),
            seed=self._settings(self._model(target), signature).seed,
            contract_file="" if target.file is None else str(target.file.absolute()),
            contract_sha256=_sha256_of(target.file),
        )
        return result, outcome

    def close(self) -> None:
        """Stops the server; nothing of it is left behind."""
        for model in self._models.values():
            if model.served is not None:
                model.served.close()
        self._models.clear()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _as_told(self, outcome: Outcome) -> Outcome:
        """Returns an undecided outcome as the user wants undecided ones treated."""
        if outcome.verdict == "inconclusive" and self.options.inconclusive != "fail":
            return replace(outcome, verdict=self.options.inconclusive, message=f"inconclusive: {outcome.message}")
        return outcome

    def _model(self, target: Target) -> _Model:
        key = (target.model, target.name)
        if key not in self._models:
            self._models[key] = self._found(target)
        return self._models[key]

    def _found(self, target: Target) -> _Model:
        if self.options.is_remote:
            return _Model(ModelIdentity(target.model, target.name or target.model, None), None, None)
        path = resolve(target.model)
        saved_model = read(path.directory)
        name = self._free_name(target.name or path.name, path)
        identity = ModelIdentity(target.model, name, path.version, digest(path.directory))
        return _Model(identity, path, saved_model)

    def _free_name(self, name: str, path: ModelPath) -> str:
        """Returns a name under which no other directory is served: two models may be called the same."""
        taken = {
            model.identity.name
            for model in self._models.values()
            if model.path is not None and model.path.directory != path.directory
        }
        number = 2
        free = name
        while free in taken:
            free = f"{name}-{number}"
            number += 1
        return free

    def _start(self, model: _Model, target: Target) -> ModelUnderTest:
        served = ModelUnderTest(
            self.server,
            model.identity.name,
            signatures=None if model.saved_model is None else model.saved_model.signatures,
            version=None if model.path is None else model.path.version,
            timeout=self.options.request_timeout,
        )
        served.session, served.target = self, target
        if model.path is not None:
            try:
                self.server.add(model.identity.name, model.path.version, model.path.directory)
            except ModelLoadError as error:
                model.refusal = error
                raise
        return served

    def _specs(self, target: Target) -> Mapping[str, SignatureSpec]:
        model = self._model(target)
        return self.served(target).signatures if model.saved_model is None else model.saved_model.signatures

    def _subject(self, model: _Model, target: Target, signature: str, pytest_line: str) -> Subject:
        served = self.served(target)
        key = (id(target.contract), signature)
        if key not in model.subjects:
            alone = replace(target.contract, signatures=_only(target.contract.signatures, signature))
            completed = alone.completed(self._specs(target)).signatures[signature]
            model.contracts.append(target.contract)  # its id is a key: it must not be another's while we live
            model.subjects[key] = checks.Subject(
                served,
                completed,
                served.signatures[signature],
                self._settings(model, signature),
                model.saved_model,
                folder=Path() if target.file is None else target.file.parent,
            )
        subject = model.subjects[key]
        subject.pytest_line = pytest_line
        return subject

    def _baseline(self, model: _Model) -> checks.Baseline | None:
        """Returns the released version, to be served when a check asks for it."""
        path = self.options.baseline
        if path is None:
            return None
        # A name of its own: both versions are served at once, and may even be the same directory.
        name = None if self.options.is_remote else f"{model.identity.name}-baseline"
        target = Target(path, Contract(), name)
        try:
            version, specs = self._model(target).identity.version, self._specs(target)
        except TfsigError as error:
            raise UsageError(f"no released version at --tfsig-baseline {path}: {error}") from None
        return checks.Baseline(path, version, specs, lambda: self.served(target))

    def _settings(self, model: _Model, signature: str) -> checks.Settings:
        return checks.Settings(
            max_examples=self.options.max_examples,
            seed=_derived_seed(model.identity.sha256, signature) if self._seed is None else self._seed,
            timeout=self.options.request_timeout,
            database=None if self._cache is None else self._cache / "examples",
            files=self.options.report or (None if self._cache is None else self._cache / "inputs"),
            under_xdist=self._under_xdist,
            update=self.options.update,
        )


def _only(signatures: Mapping[str, Signature], name: str) -> dict[str, Signature]:
    """Returns one signature of a contract, so that what is wrong with another does not touch it."""
    return {name: signatures[name]} if name in signatures else {}


def _sha256_of(file: Path | None) -> str:
    """Returns a contract file's digest; "" where there is none, or none any more: no verdict can be bound to that."""
    try:
        return "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _derived_seed(sha256: str, signature: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{sha256} {signature}".encode()).digest()[:4], "big")
