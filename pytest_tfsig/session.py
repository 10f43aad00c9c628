"""One test session: which models are served and how, what was judged, where results go."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_tfsig import checks
from pytest_tfsig.checks.causes import advice
from pytest_tfsig.checks.loads import refused
from pytest_tfsig.checks.telling import parts
from pytest_tfsig.contract import Contract
from pytest_tfsig.errors import ContractError, ModelLoadError, TfsigError, UsageError
from pytest_tfsig.models import Models, Target
from pytest_tfsig.reports import Result
from pytest_tfsig.running import RunningServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.checks import Check, Outcome, Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.models import Model, ModelUnderTest
    from pytest_tfsig.options import Options
    from pytest_tfsig.serving import Server
    from pytest_tfsig.serving.shared import Shared


class Session:
    """Serves models lazily in one server, judges them, and stops the server at the end.

    Args:
        options: What the user asked for.
        cache: Folder that is kept between runs: falsifying inputs are remembered there.
        seed: Draws every check's inputs; None derives it from the model, so that a model is judged alike every time.
        owner: The process whose end ends the server; None: this one.
        under_xdist: Whether other test processes run beside this one.
        shared: What this process shares with them; None: it has a server to itself.
    """

    def __init__(
        self,
        options: Options,
        cache: Path | None = None,
        *,
        seed: int | None = None,
        owner: int | None = None,
        under_xdist: bool = False,
        shared: Shared | None = None,
    ) -> None:
        self.options = options
        self._cache = cache
        self._seed = seed
        self._owner = owner
        self._under_xdist = under_xdist
        self._running = RunningServer(options, owner, shared)
        self._models = Models(self, self._running, remote=options.is_remote, timeout=options.request_timeout)
        self._private: Session | None = None
        self.current: ModelUnderTest | None = None

    @property
    def server(self) -> Server:
        """The server of this session, started on first use.

        Raises:
            ServerError: It cannot be started or reached.
        """
        return self._running.get()

    def server_info(self) -> dict[str, Any]:
        """Returns what served the models, for reports; empty where nothing was served."""
        return self._running.info()

    def serve(self, path: str | Path, name: str | None = None) -> ModelUnderTest:
        """Returns a model, served until the session ends.

        Args:
            path: A version directory, a base directory (its newest version is served) or any SavedModel.
            name: The name to serve it under; None: the base directory's.

        Raises:
            SavedModelError: There is no readable SavedModel there.
            ModelLoadError: The server refuses it.
            ServerError: The server cannot be started.
        """
        return self._models.keep(Target(str(path), Contract(), name))

    def served(self, target: Target) -> ModelUnderTest:
        """Returns a target's model, served as by `serve`; a server that a test brought down is started again."""
        self._running.revive()
        return self._models.served(target)

    def signatures(self, target: Target) -> dict[str, Signature]:
        """Returns a target's contracts by signature, completed from the model.

        Raises:
            ContractError: The contract names a signature that the model lacks, or contradicts itself.
        """
        return dict(target.contract.completed(self._models.specs(target)).signatures)

    def outcome(self, target: Target, signature: str, check: Check, pytest_line: str = "") -> Outcome:
        """Judges one signature of a target by one check; no error of a model or a server gets out."""
        if not self._running.is_shared:
            self._running.revive()
            return self._judged(target, signature, check, pytest_line)
        if not check.alone:
            before = self._running.settled()
            outcome = self._judged(target, signature, check, pytest_line)
            model = self._models.of(target)
            # A server that dies closes its connections before its process has ended.
            lost = outcome.verdict != "pass" and "UNAVAILABLE" in outcome.message
            if not lost and self._running.settled() == before and model.refusal is None:
                return outcome
            # The server died meanwhile, of this check or of what another process asked it.
            model.subjects.clear()
        return self._alone(target, signature, check, pytest_line)

    def _judged(self, target: Target, signature: str, check: Check, pytest_line: str) -> Outcome:
        model = self._models.of(target)
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
        subject.timed_out = False
        outcome = checks.run(check, subject)
        if self._running.revive(suspect=subject.timed_out) and subject.timed_out:
            model.subjects.clear()  # what a silent server did not answer says nothing of the model
        return outcome

    def _alone(self, target: Target, signature: str, check: Check, pytest_line: str) -> Outcome:
        """Judges as `outcome` does, by a server that no other process sends requests to."""
        if self._private is None:
            self._private = Session(
                self.options, self._cache, seed=self._seed, owner=self._owner, under_xdist=self._under_xdist
            )
        try:
            return self._private.outcome(target, signature, check, pytest_line)
        finally:
            self._private.forget()

    def release(self) -> None:
        """Ends a test: the models that it used may make room for the next one's."""
        self._models.release()

    def forget(self) -> None:
        """Serves the models no longer; the server is kept for others."""
        self._models.withdraw()

    def _unjudged(self, check: Check, error: TfsigError) -> Outcome:
        """Returns the outcome where the contract and the model do not fit together: the check `signature` says so."""
        if isinstance(error, ContractError) and check.name == "signature":
            return checks.Outcome("fail", str(error), 0, checks.Violation(str(error)))
        if isinstance(error, ContractError):
            reason = str(error).removesuffix(".")
            return checks.Outcome("error", f"not judged: {reason}; see the check signature")
        return checks.Outcome("error", f"{error}. {advice(str(error))}" if advice(str(error)) else str(error))

    def judge(self, target: Target, signature: str, check: Check, pytest_line: str = "") -> tuple[Result, Outcome]:
        """Judges as `outcome` does and returns the result for reports beside it.

        Raises:
            SavedModelError: There is no readable model to judge.
        """
        began = time.perf_counter()
        model = self._models.of(target).identity
        outcome = self.outcome(target, signature, check, pytest_line)
        outcome = self._as_told(outcome)
        told = {"text": outcome.message} if outcome.violation is None else parts(outcome.violation)
        result = Result(
            model,
            signature,
            check.name,
            outcome.verdict,
            outcome.message,
            outcome.examples,
            time.perf_counter() - began,
            contract=target.source,
            details=dict(outcome.details),
            seed=self._settings(self._models.of(target), signature).seed,
            contract_file="" if target.file is None else str(target.file.absolute()),
            contract_sha256=_sha256_of(target.file),
            baseline_sha256=self._released_sha256(self._models.of(target)) if check.against_baseline else "",
            consumer=target.consumer,
            pending=target.contract.pending,
            **told,
        )
        return result, outcome

    def close(self) -> None:
        """Stops the server, or leaves it to the others that share it.

        Raises:
            ServerError: Something is left behind for now.
        """
        self._models.close()
        try:
            if self._private is not None:
                self._private.close()
        finally:
            self._running.close()

    def _as_told(self, outcome: Outcome) -> Outcome:
        """Returns an undecided outcome as the user wants undecided ones treated."""
        if outcome.verdict == "inconclusive" and self.options.inconclusive != "fail":
            return replace(outcome, verdict=self.options.inconclusive, message=f"inconclusive: {outcome.message}")
        return outcome

    def _subject(self, model: Model, target: Target, signature: str, pytest_line: str) -> Subject:
        served = self._models.served(target)
        key = (id(target.contract), signature)
        if key not in model.subjects:
            alone = replace(target.contract, signatures=_only(target.contract.signatures, signature))
            completed = alone.completed(self._models.specs(target)).signatures[signature]
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

    def _released(self, model: Model) -> Target | None:
        """Returns the released version as a target of its own; None where none was given."""
        if self.options.baseline is None:
            return None
        # A name of its own: both versions are served at once, and may even be the same directory.
        name = None if self.options.is_remote else f"{model.identity.name}-baseline"
        return Target(self.options.baseline, Contract(), name)

    def _baseline(self, model: Model) -> checks.Baseline | None:
        """Returns the released version, to be served when a check asks for it."""
        target = self._released(model)
        if target is None:
            return None
        try:
            version, specs = self._models.of(target).identity.version, self._models.specs(target)
        except TfsigError as error:
            raise UsageError(f"no released version at --tfsig-baseline {target.model}: {error}") from None
        return checks.Baseline(target.model, version, specs, lambda: self._models.served(target))

    def _released_sha256(self, model: Model) -> str:
        """Returns the released version's digest; "" where no files of it are seen."""
        target = self._released(model)
        try:
            return "" if target is None else self._models.of(target).identity.sha256
        except TfsigError:  # the check has said so
            return ""

    def _settings(self, model: Model, signature: str) -> checks.Settings:
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
