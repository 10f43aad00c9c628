"""Consumers: whose contracts a run judged, and what became of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_tfsig.reports.result import worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_tfsig.reports.result import Result, Verdict

_WORDS: Mapping[Verdict, str] = {
    "pass": "holds",
    "fail": "broken",
    "inconclusive": "undecided",
    "error": "not judged",
}


@dataclass(frozen=True, slots=True)
class Consumer:
    """One consumer's contract for one model.

    Attributes:
        consumer: The consumer's name.
        model: The model's, with its version: "digits/3".
        contract: Where the contract is written.
        verdict: The worst of its checks.
        pending: Whether it is reported and fails nothing.
    """

    consumer: str
    model: str
    contract: str
    verdict: Verdict
    pending: bool

    def __str__(self) -> str:
        return f"consumer {self.consumer}: {'pending, ' if self.pending else ''}{_WORDS[self.verdict]}{self._what_next}"

    @property
    def _what_next(self) -> str:
        if not self.pending:
            return ""
        return "; remove `pending` to have it gate" if self.verdict == "pass" else ", which does not gate"

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data, for JSON."""
        return asdict(self)


def consumers(results: Iterable[Result]) -> list[Consumer]:
    """Returns the consumers of a run in the order in which they came; inferred contracts are nobody's."""
    groups: dict[tuple[str, str, str, bool], list[Result]] = {}
    for result in results:
        if result.consumer:
            groups.setdefault((result.consumer, result.model.title, result.contract, result.pending), []).append(result)
    return [Consumer(*key[:3], worst(group), key[3]) for key, group in groups.items()]


def lines(results: Sequence[Result]) -> list[tuple[str, Verdict]]:
    """Returns a line for each model that several consumers rely on, or a pending one, with its verdict."""
    models: dict[str, list[Consumer]] = {}
    for one in consumers(results):
        models.setdefault(one.model, []).append(one)
    return [
        (f"{model}  {'; '.join(map(str, found))}", worst(_of(results, model)))
        for model, found in models.items()
        if len(found) > 1 or any(one.pending for one in found)
    ]


def _of(results: Iterable[Result], model: str) -> list[Result]:
    return [result for result in results if result.model.title == model and not result.pending]
