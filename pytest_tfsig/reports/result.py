"""The result of one check, as plain data that reports are made of and that travels between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Verdict = Literal["pass", "fail", "inconclusive", "skip", "error"]

VERDICTS: tuple[Verdict, ...] = ("fail", "error", "inconclusive", "pass", "skip")
"""Worst first; a run is as good as its worst check, skipped ones aside."""


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model was judged.

    Attributes:
        path: Where it lies, or the servable's name on a remote server.
        name: Its name as served.
        version: Its version.
        sha256: Digest of all its files; "" where there are none to read.
    """

    path: str
    name: str
    version: int | None
    sha256: str = ""

    @property
    def title(self) -> str:
        """Its name and version: "digits/3"."""
        return self.name if self.version is None else f"{self.name}/{self.version}"

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found on one signature.

    Attributes:
        model: Which model.
        signature: The signature's name.
        check: The check's name.
        verdict: How it went.
        message: One sentence.
        examples: Inputs tried; requests for `latency`.
        seconds: How long it took.
        falsifying: The smallest inputs that show a failure, by name, as text; None where there are none.
        reproduce: How to see it again: shell lines, a Python snippet, the pytest line.
        text: The failure in full, as the terminal shows it.
        contract: Where the contract is written.
        details: What the check adds for reports.
        test: The test item's id, such as "test_digits.py::test_contract[serving_default-outputs]".
        file: The file that the item is from, relative to the checked out repository in CI, else to pytest's root.
        line: The line in it, counted from 1; None where the item has none.
        seed: What the check's inputs were drawn from; None where none could be drawn.
        contract_file: The file that states the contract; "" where it is inferred.
        contract_sha256: Of that file as it was judged.
        baseline_sha256: Digest of the released version that the check compared with; "" where it compares with none.
        expected: What the contract says, in the terms of the check.
        actual: What was seen instead.
        advice: What to do, where the cause is known.
        inputs: The same inputs as `falsifying`, as data: see `inputs.as_data`.
        consumer: Whose contract it is; "" where it is inferred.
        pending: Whether the contract is pending: what does not hold is reported and fails nothing.
    """

    model: ModelIdentity
    signature: str
    check: str
    verdict: Verdict
    message: str = ""
    examples: int = 0
    seconds: float = 0.0
    falsifying: Mapping[str, str] | None = None
    reproduce: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    contract: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    test: str = ""
    file: str = ""
    line: int | None = None
    seed: int | None = None
    contract_file: str = ""
    contract_sha256: str = ""
    baseline_sha256: str = ""
    expected: str = ""
    actual: str = ""
    advice: str = ""
    inputs: Mapping[str, Mapping[str, Any]] | None = None
    consumer: str = ""
    pending: bool = False

    @property
    def title(self) -> str:
        """What was judged, in a line: "digits/3 serving_default: outputs"."""
        return f"{self.model.title} {self.signature}: {self.check}"

    @property
    def breaks_the_run(self) -> bool:
        """Whether the item of this result failed."""
        return self.verdict not in {"pass", "skip"} and not self.pending

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data, for JSON and for other processes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Returns the result that `as_dict` wrote."""
        return cls(**{**data, "model": ModelIdentity(**data["model"])})


def overall(results: Iterable[Result]) -> Verdict:
    """Returns the verdict of a run: its worst; "error" where nothing was judged, for nothing proves nothing.

    Pending contracts do not count.
    """
    return worst(result for result in results if not result.pending)


def worst(results: Iterable[Result]) -> Verdict:
    """Returns the worst verdict of some results, those of pending contracts included."""
    seen = {result.verdict for result in results} - {"skip"}
    return next((verdict for verdict in VERDICTS if verdict in seen), "error")
