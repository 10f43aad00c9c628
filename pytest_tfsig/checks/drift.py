"""drift: how far this version's answers lie from the released one's, and whether the contract allows that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_tfsig.checks.differences import Difference, Tally, difference
from pytest_tfsig.checks.examples import recorded_inputs
from pytest_tfsig.checks.outcome import Outcome, failed
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.render import array_text
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.clients import ServingError
from pytest_tfsig.errors import ContractError
from pytest_tfsig.strategies import explore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject

    Inputs = Mapping[str, Any]
    Outputs = Mapping[str, NDArray[Any]]

_NEARLY = 0.99
"""A smaller input is shown instead of the worst one if it differs nearly as much."""
_ADVICE = (
    "If the new answers are right, raise the bound in [signatures.NAME.checks], drift = { max = …, flips = … }; if "
    "not, look at what changed: weights, preprocessing in the graph, the order of classes, a cast."
)


@register(
    "drift",
    holds_when="its answers differ from the released version's (--tfsig-baseline) by no more than the contract allows",
    inspects=False,
    against_baseline=True,
)
def drift(subject: Subject, *, max: float | None = None, flips: float | None = None) -> Outcome:  # noqa: A002 - the key in a contract file
    """Serves both versions side by side, sends both the same recorded and drawn inputs and compares the answers.

    Half of the inputs are made from the one that differs most so far. Without a bound, the check reports and passes.

    Args:
        subject: The candidate.
        max: The largest absolute difference allowed between two numbers of any output.
        flips: The share of rows, from 0 to 1, that may change class: the place of the largest entry along the last
            axis (or the probabilities' own), or the value of an integer or text output.
    """
    for key, bound in (("max", max), ("flips", flips)):
        if bound is not None and not bound >= 0:
            raise ContractError(f"checks.drift.{key} = {bound} is below 0; no difference at all is 0.")
    pair = _Pair(subject, subject.released())
    explored = explore(
        subject.signature,
        pair.look,
        max_examples=subject.settings.max_examples,
        seed=subject.settings.seed,
        target="drift",
        seeds=recorded_inputs(subject),
    )
    if not pair.answered:
        return Outcome("error", "not judged: no request was answered by both; see the check outputs")
    if not pair.tallies:
        return Outcome("error", "not judged: the two versions have no output in common; see the check compatible")
    details: dict[str, Any] = {
        "outputs": {name: tally.as_dict() for name, tally in pair.tallies.items()},
        "refused": pair.refused,
    }
    broken = pair.broken(max, flips)
    if broken is None:
        message = f"{pair.summary()} ({pair.answered} requests)"
        if max is None and flips is None:
            details["note"] = f"reported, for the contract states no bound: {message}"
        return Outcome("pass", message, explored.examples_run, details=details)
    found = failed(pair.violation(broken, max, flips), explored.examples_run)
    return Outcome(found.verdict, found.message, found.examples, found.violation, details)


@dataclass(slots=True)
class _Pair:
    """Two versions that are asked the same, and what came of it."""

    subject: Subject
    released: Subject
    tallies: dict[str, Tally] = field(default_factory=dict)
    answered: int = 0
    refused: int = 0
    _worst: dict[str, tuple[float, Inputs]] = field(default_factory=dict)
    _refusal: tuple[Inputs, ServingError] | None = None

    def look(self, inputs: Inputs) -> float | None:
        """Asks both, and returns the largest difference; None where either refuses."""
        found = self._differences(inputs, first=True)
        if found is None:
            return None
        self.answered += 1
        for name, one in found.items():
            self.tallies.setdefault(name, Tally()).add(one)
            for kind, size in (("max", one.largest), ("flips", float(one.flips))):
                if size > self._worst.get(f"{kind} {name}", (0.0, inputs))[0]:
                    self._worst[f"{kind} {name}"] = size, inputs
        return max((one.largest for one in found.values()), default=0.0)

    def _differences(self, inputs: Inputs, *, first: bool = False) -> dict[str, Difference] | None:
        answers = self._answers(inputs, first=first)
        if answers is None:
            return None
        released, candidate = answers
        return {
            name: difference(released[name], candidate[name], self._axis(name))
            for name in released
            if name in candidate
        }

    def _answers(self, inputs: Inputs, *, first: bool = False) -> tuple[Outputs, Outputs] | None:
        """Returns both answers; None where the released version refuses the request, or this one does."""
        known = self.released.spec.inputs
        try:
            # An input that is new to this version is not known to the released one.
            before = self.released.ask(
                inputs if "examples" in inputs else {name: inputs[name] for name in inputs if name in known}
            )
        except ServingError as error:
            if error.code == "DEADLINE_EXCEEDED":
                raise
            return None
        try:
            return before, self.subject.ask(inputs)
        except ServingError as error:
            if error.code == "DEADLINE_EXCEEDED":
                raise
            self.refused += first
            self._refusal = self._refusal or (inputs, error)
            return None

    def _axis(self, name: str) -> int:
        tensor = self.subject.signature.outputs.get(name)
        rule = getattr(tensor, "probabilities", None)
        return int(getattr(rule, "axis", -1))

    def summary(self) -> str:
        """Returns what was seen of every output, in a line."""
        told = "; ".join(f"{name} {tally}" for name, tally in self.tallies.items())
        return told + (f"; {self.refused} requests are refused by this version alone" if self.refused else "")

    def broken(self, most: float | None, flips: float | None) -> str | None:
        """Returns what breaks a bound: "max OUTPUT", "flips OUTPUT", or "refused"; None: nothing."""
        for name, tally in self.tallies.items():
            if most is not None and tally.largest > most:
                return f"max {name}"
            if flips is not None and tally.flip_rate > flips:
                return f"flips {name}"
        bounded = most is not None or flips is not None
        return "refused" if bounded and self._refusal is not None else None

    def violation(self, broken: str, most: float | None, flips: float | None) -> Violation:
        """Returns the violation of a bound, with the smallest input that differs as much as the worst one."""
        if broken == "refused" and self._refusal is not None:
            inputs, error = self._refusal
            return Violation(
                "the released version answers a request that this one refuses",
                inputs,
                expected="an answer",
                actual=f"{error.code}: {error.message}",
            )
        kind, _, name = broken.partition(" ")
        tally = self.tallies[name]
        size, worst = self._worst[broken]
        sentence = f"output {name!r} {tally}"
        bound = f"at most {most:g} apart" if kind == "max" else f"at most {flips:.2%} of rows change class"
        inputs = self._smallest(kind, name, size, worst)
        answers = self._answers(inputs)
        actual = "" if answers is None else self._shown(name, *answers)
        return Violation(sentence, inputs, expected=bound, actual=actual, advice=_ADVICE)

    def _smallest(self, kind: str, name: str, size: float, worst: Inputs) -> Inputs:
        """Returns the smallest input that differs nearly as much as the worst: the worst one, made smaller."""
        enough = 1.0 if kind == "flips" else _NEARLY * size

        def examine(inputs: Inputs) -> None:
            found = (self._differences(inputs) or {}).get(name)
            if found is not None and (found.flips if kind == "flips" else found.largest) >= enough:
                raise Violation("differs as much")

        explored = explore(
            self.subject.signature,
            examine,
            max_examples=1,
            seed=self.subject.settings.seed,
            seeds=[worst],
            shrink_requests=self.subject.settings.shrink_requests,
        )
        return worst if explored.falsifying is None else explored.falsifying

    def _shown(self, name: str, released: Outputs, candidate: Outputs) -> str:
        answers = ((self.released.model.name, released), (self.subject.model.name, candidate))
        return "\n".join(f"{who}: {name} = {array_text(answer[name])}" for who, answer in answers if name in answer)
