"""What a model's answers suggest for its contract: `tfsig init --observe`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.checks import Check, Outcome, checks
from pytest_tfsig.checks.batch_invariant import sizes_of_rows
from pytest_tfsig.cli.answers import Answers
from pytest_tfsig.cli.output import say
from pytest_tfsig.clients import ServingError
from pytest_tfsig.contract import Contract, LatencyBudget
from pytest_tfsig.models import Target
from pytest_tfsig.strategies import draws, explore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.checks import Subject
    from pytest_tfsig.contract import Signature
    from pytest_tfsig.session import Session

Path = tuple[str, ...]
"""Of a table in a contract file, such as `("signatures", "serving_default", "latency")`."""
_TIMED: Final = 50
_WARM: Final = 5
_GENEROUS: Final = 10
_LEAST_BUDGET: Final = 0.1
"""Seconds: below it, a budget would judge the machine. Where others load it, a sound model of a millisecond meets waits
of tens of milliseconds for a CPU."""
_DOUBTED: Final = ("deterministic", "batch_invariant", "transports_agree", "concurrent")
"""Checks that hold of most models; one that is seen not to is switched off, and the file says so."""


@dataclass(slots=True)
class Observed:
    """What was seen of one signature.

    Attributes:
        asked: Requests that were sent.
        answered: Those that were answered.
        refusal: The first error.
        answers: What the answers had in common, by output.
        latencies: Seconds that single requests took.
        server: What kind of server answered.
    """

    asked: int = 0
    answered: int = 0
    refusal: ServingError | None = None
    answers: dict[str, Answers] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    server: str = ""

    def look(self, subject: Subject) -> Outcome:
        """Asks as the check `outputs` will: the same number of inputs, the same inputs."""
        settings = subject.settings
        explore(
            subject.signature,
            lambda inputs: self._see(subject, inputs),
            max_examples=settings.max_examples,
            seed=settings.seed,
        )
        self.server = subject.model.server.kind
        if self.answered:
            self._time(subject)
        return Outcome("pass", "", self.asked)

    def _see(self, subject: Subject, inputs: Mapping[str, Any]) -> None:
        observation = subject.observe(inputs)
        self.asked += 1
        self.refusal = self.refusal or observation.error
        self.answered += observation.error is None
        for name, array in observation.outputs.items():
            tensor = subject.signature.outputs.get(name)
            if tensor is not None:
                self.answers.setdefault(name, Answers(tensor)).add(array)

    def _time(self, subject: Subject) -> None:
        """Times single requests, of the smallest batch, as a budget that names no batch does."""
        sizes = sizes_of_rows(subject.signature, 1)
        requests = draws(subject.signature, _WARM + _TIMED, subject.settings.seed, sizes=sizes)
        for number, inputs in enumerate(requests):
            began = time.perf_counter()
            try:
                subject.ask(inputs)
            except ServingError:
                continue
            if number >= _WARM:
                self.latencies.append(time.perf_counter() - began)


def propose(session: Session, model: str, inferred: Contract) -> tuple[Contract, dict[Path, list[str]]]:
    """Returns a contract that says what a model was seen to keep, and comments that say what was seen, by table.

    Args:
        session: Serves the model, and says how many inputs are drawn.
        model: The SavedModel's path.
        inferred: What its signatures promise alone.

    Raises:
        SavedModelError: It cannot be read.
        ServerError: It cannot be served.
    """
    proposed: dict[str, Signature] = {}
    comments: dict[Path, list[str]] = {}
    for name, signature in inferred.signatures.items():
        say(f"{name}: {session.options.max_examples} inputs are sent", aside=True)
        seen = Observed()
        asking = Check("observe", "", lambda subject, seen=seen: seen.look(subject), inspects=False, wanted=bool)
        outcome = session.outcome(Target(model, inferred), name, asking)
        path: Path = ("signatures", name)
        if not seen.answered:
            why = str(seen.refusal) if seen.refusal is not None else outcome.message
            proposed[name], comments[path] = signature, [f"Nothing was observed: {why}"]
            continue
        if seen.refusal is not None:
            refused = f"{seen.asked - seen.answered} of {seen.asked} inputs were refused: {seen.refusal}"
            comments[path] = [f"{refused}; say what callers may send (min, max, values, dims), or mend the model"]
        outputs = {}
        for output, tensor in signature.outputs.items():
            answers = seen.answers.get(output, Answers(tensor))
            outputs[output], comments[*path, "outputs", output] = answers.proposal(seen.asked)
        proposed[name] = replace(signature, outputs=outputs)
        say(f"{name}: {', '.join(_DOUBTED)} are looked at", aside=True)
        doubts = dict(_doubts(session, model, proposed[name], name))
        if doubts:
            proposed[name] = replace(proposed[name], checks={**signature.checks, **dict.fromkeys(doubts, False)})
            comments[*path, "checks"] = list(doubts.values())
        if seen.latencies:
            budget, comments[*path, "latency"] = _budget(seen)
            proposed[name] = replace(proposed[name], latency=(*signature.latency, budget))
    return replace(inferred, signatures=proposed), comments


def _doubts(session: Session, model: str, signature: Signature, name: str) -> Iterator[tuple[str, str]]:
    """Yields the checks that the model is seen to fail, each with what was seen."""
    target = Target(model, Contract({name: signature}))
    known = checks()
    repeats = True
    for check in _DOUBTED:
        outcome = session.outcome(target, name, known[check])
        if outcome.verdict == "fail" or (outcome.verdict == "error" and not repeats):
            yield check, f"{check} does not hold: {outcome.message}; callers must not rely on it until it is mended"
        repeats = repeats and (check != "deterministic" or outcome.verdict != "fail")


def _budget(seen: Observed) -> tuple[LatencyBudget, list[str]]:
    ordered = sorted(seen.latencies)
    typical, slowest = ordered[len(ordered) // 2], ordered[-1]
    limit = _rounded(max(_LEAST_BUDGET, _GENEROUS * slowest))
    took = f"{typical * 1000:.3g} ms at the median, {slowest * 1000:.3g} ms at most"
    allowed = f"this allows {limit / slowest:.0f} times that; state what callers need"
    return LatencyBudget("p99", limit), [
        f"{len(ordered)} single requests to the {seen.server} server took {took}: {allowed}"
    ]


def _rounded(seconds: float) -> float:
    """Returns the next of 0.02, 0.05, 0.1, 0.2, ... seconds."""
    steps = (mantissa * 10**power for power in range(-2, 4) for mantissa in (1, 2, 5))
    return next((float(f"{step:g}") for step in steps if step >= seconds), seconds)
