"""The subject of a check: one signature of one served model, its contract, and how to ask it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ServerError, UsageError
from pytest_tfsig.progress import Meter
from pytest_tfsig.strategies.explore import SHRINK_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.violation import Violation
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.reports.sums import SumErrors
    from pytest_tfsig.savedmodel import SavedModel, SignatureSpec
    from pytest_tfsig.serving import ServedModel

    Inputs = Mapping[str, Any]
    Outputs = Mapping[str, NDArray[Any]]


_DYING_SECONDS = 2.0
"""How long a process may take from closing its connections to its end, a core dump included."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How thoroughly checks look.

    Attributes:
        max_examples: Inputs drawn for each check.
        seed: What the draws are derived from: the same seed draws the same inputs.
        timeout: Seconds after which an answer counts as none.
        database: Folder that remembers failing inputs between runs; None: none is remembered.
        files: Folder for inputs that are too large to print.
        under_xdist: Whether other test processes load the machine at the same time.
        update: Whether recorded examples are rewritten with what is answered now.
        hasty: Whether the first violation is enough, and no smaller input is looked for.
        clock: Tells the time, in seconds, where requests are timed.
    """

    max_examples: int = 100
    seed: int = 0
    timeout: float = 60.0
    database: Path | None = None
    files: Path | None = None
    under_xdist: bool = False
    update: bool = False
    hasty: bool = False
    clock: Callable[[], float] = time.perf_counter

    @property
    def shrink_requests(self) -> int:
        """How many requests a search may spend on making a violation's inputs smaller."""
        return 0 if self.hasty else SHRINK_REQUESTS


@dataclass(frozen=True, slots=True)
class Observation:
    """One request and what came of it: outputs, or the error that the server answered with.

    Attributes:
        inputs: Arrays by input name; `{"examples": [...]}` for classify and regress.
        outputs: Arrays by output name; empty where there was no answer.
        error: The server's refusal, or None.
    """

    inputs: Inputs
    outputs: Outputs
    error: ServingError | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the answer did not come in time."""
        return self.error is not None and self.error.code == "DEADLINE_EXCEEDED"


class ServerDied(ServerError):  # noqa: N818 - it says what happened
    """The server ended while it answered; carries the inputs that it died of."""

    def __init__(self, inputs: Inputs, log: str) -> None:
        super().__init__(f"the server died while it answered a request. The end of its log:\n{log}")
        self.inputs = inputs
        self.log = log


@dataclass(frozen=True, slots=True)
class Baseline:
    """The released version, which the model under test must not break.

    Attributes:
        path: Where it lies, or its name on a remote server.
        version: Its version; None: unknown.
        signatures: What it declares, by name.
        serve: Returns it, served beside the model under test. May raise as serving any model does.
    """

    path: str
    version: int | None
    signatures: Mapping[str, SignatureSpec]
    serve: Callable[[], ServedModel]


@dataclass
class Subject:
    """One signature of one served model, with its contract.

    Attributes:
        model: The served model.
        signature: The contract, completed from the SavedModel.
        spec: The signature as the SavedModel (or, for a remote server, its metadata) declares it.
        settings: How thoroughly to look.
        saved_model: What is on disk; None for a model that only a remote server has.
        pytest_line: The command that runs the same check again.
        baseline: The released version; None: none was given.
        folder: What relative paths in the contract are relative to.
        repeats: False once the check deterministic found that the same request gives different answers.
        meter: Counts the requests of the check at work.
    """

    model: ServedModel
    signature: Signature
    spec: SignatureSpec
    settings: Settings
    saved_model: SavedModel | None = None
    pytest_line: str = ""
    baseline: Baseline | None = None
    folder: Path = Path()
    repeats: bool = True
    timed_out: bool = False
    meter: Meter = field(default_factory=Meter, repr=False)
    _pass: SharedPass | None = field(default=None, repr=False)

    def ask(
        self,
        inputs: Inputs,
        *,
        transport: str = "grpc",
        form: Literal["columns", "rows"] = "columns",
    ) -> Outputs:
        """Sends one request by the signature's method and returns the answer, arrays by output name.

        Args:
            inputs: Arrays by input name; `{"examples": [...]}` for classify and regress.
            transport: `grpc` or `rest`.
            form: How REST carries a predict request: `columns` ("inputs") or `rows` ("instances").

        Raises:
            ServingError: The server refused it, or did not answer in time.
            ServerDied: The server is gone.
        """
        self.meter.request()
        options: dict[str, Any] = {
            "signature": self.signature.name,
            "transport": transport,
            "timeout": self.settings.timeout,
        }
        try:
            if form == "rows":
                del options["transport"]
                return self.model.rest.predict(
                    self.model.name, inputs, version=self.model.version, specs=self.spec, form=form, **options
                )
            if self.signature.method == "predict":
                return self.model.predict(inputs, **options)
            method = self.model.classify if self.signature.method == "classify" else self.model.regress
            return self._as_declared(method(inputs["examples"], **options))
        except ServingError as error:
            self.timed_out |= error.code == "DEADLINE_EXCEEDED"
            if error.code == "UNAVAILABLE" and self._server_ended():
                raise ServerDied(inputs, self.model.logs()) from error
            raise

    def _as_declared(self, answer: Outputs) -> Outputs:
        """Returns an answer as the signature declares it: classify says classes *and* scores, regress drops an axis."""
        found = {name: array for name, array in answer.items() if name in self.spec.outputs}
        for name, array in found.items():
            shape = self.signature.outputs[name].shape if name in self.signature.outputs else None
            if shape is not None and len(shape) == array.ndim + 1 and shape[-1] == 1:
                found[name] = array[..., None]
        return found

    def _server_ended(self) -> bool:
        """Whether the server is gone; a connection breaks some time before its process has ended."""
        deadline = time.monotonic() + _DYING_SECONDS
        while self.model.server.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def observe(self, inputs: Inputs) -> Observation:
        """Sends one request and returns what came of it, an error of the server included.

        Raises:
            ServerDied: The server is gone.
        """
        self.meter.tick()
        try:
            return Observation(inputs, self.ask(inputs))
        except ServingError as error:
            return Observation(inputs, {}, error)

    def released(self) -> Subject:
        """Returns the same signature of the released version, served, as a subject of its own.

        Raises:
            UsageError: No baseline was given, or it lacks the signature.
            ServerError: It cannot be served.
        """
        if self.baseline is None:
            raise UsageError("there is no released version to compare with; give one with --tfsig-baseline PATH")
        name = self.signature.name
        if name not in self.baseline.signatures:
            raise UsageError(f"the released version {self.baseline.path} has no signature {name!r} to compare with")
        return replace(self, model=self.baseline.serve(), spec=self.baseline.signatures[name], _pass=None)

    def shared_pass(self) -> SharedPass:
        """Returns the pass over drawn inputs that all inspections share; the first call makes it."""
        from pytest_tfsig.checks.shared_pass import make

        if self._pass is None:
            self._pass = make(self)
        return self._pass


@dataclass
class SharedPass:
    """What one pass over drawn inputs found, for every inspection at once.

    Attributes:
        asked: Requests sent.
        answered: Requests that were answered with outputs.
        found: The first violation each inspection saw, by the check's name.
        broke: What an inspection itself raised by mistake, by the check's name.
        died: The request that the server died of.
        sums: How far the sums of probabilities are from 1, by output.
    """

    asked: int = 0
    answered: int = 0
    found: dict[str, Violation] = field(default_factory=dict)
    broke: dict[str, Exception] = field(default_factory=dict)
    died: ServerDied | None = None
    sums: dict[str, SumErrors] = field(default_factory=dict)
