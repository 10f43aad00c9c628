"""The search for an input that breaks a property: remembered and recorded ones, corner cases, random ones."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import hypothesis
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from pytest_tfsig import progress
from pytest_tfsig.strategies.corners import corner_arrays
from pytest_tfsig.strategies.memory import Memory
from pytest_tfsig.strategies.minimize import Spent, minimized
from pytest_tfsig.strategies.mutate import mutated
from pytest_tfsig.strategies.quietly import run, sample
from pytest_tfsig.strategies.signatures import Arrays, Inputs, Plan, plan
from pytest_tfsig.strategies.source import HypothesisSource, SeededSource, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from pytest_tfsig.contract import Signature
    from pytest_tfsig.strategies.sizes import Key

__all__ = ["SHRINK_REQUESTS", "SHRINK_SECONDS", "Exploration", "draws", "explore"]

_CORNER: Final = "corner case"

SHRINK_REQUESTS: Final = 400
"""Calls of `examine` that shrinking one violation may take: a small model's example is minimal after some fifty."""

SHRINK_SECONDS: Final = 10.0
"""Time that shrinking one violation may take, so that a slow server costs seconds and not minutes; then the smallest
example so far is shown."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a search came to.

    Attributes:
        examples_run: Inputs that were tried, without those of shrinking.
        falsifying: The smallest inputs found that show a violation; None: there was none.
        error: What `examine` raised for them.
        origin: Where the violation first showed: ``remembered``, ``recorded``, ``corner case NAME`` or ``random``.
    """

    examples_run: int
    falsifying: Inputs | None = None
    error: BaseException | None = None
    origin: str = ""


def explore(
    signature: Signature,
    examine: Callable[[Inputs], float | None],
    *,
    max_examples: int,
    seed: int,
    database: Path | None = None,
    target: str | None = None,
    seeds: Iterable[Mapping[str, Any]] = (),
    shrink_requests: int = SHRINK_REQUESTS,
    shrink_seconds: float = SHRINK_SECONDS,
) -> Exploration:
    """Look for inputs for which ``examine`` raises an AssertionError, and make them small.

    First come inputs that failed in an earlier run, then `seeds`, then the signature's corner cases, then random ones;
    `max_examples` bounds all of them together. The same arguments try the same inputs in the same order.

    Args:
        signature: Whose inputs are tried.
        examine: Called with each. An AssertionError is a violation; any other exception ends the search and is raised.
        max_examples: How many inputs to try before shrinking.
        seed: Determines the random ones.
        database: A folder that remembers falsifying inputs between runs.
        target: If given, ``examine`` returns a number under this name, and the second half of the random inputs are
            made from the one with the highest so far.
        seeds: Real inputs, such as recorded requests.
        shrink_requests: Calls of ``examine`` that shrinking may take.
        shrink_seconds: Time that shrinking may take. A call under way is not interrupted.

    Raises:
        StrategyError: No strategy can be built for the signature.
    """
    ready = plan(signature)
    memory = Memory(database, ready)
    search = _Search(ready, examine, max_examples, _Budget(shrink_requests, shrink_seconds))
    fixed = itertools.chain(
        (("remembered", arrays) for arrays in memory.recall()),
        (("recorded", ready.unfinished(inputs)) for inputs in seeds),
        ((f"{_CORNER} {name}", arrays) for name, arrays in corner_arrays(ready)),
    )
    for origin, arrays in itertools.islice(fixed, max_examples):
        if search.fails(origin, arrays):
            break
    else:
        search.random(max_examples - search.examples_run, seed, target)
    found = search.shrunk()
    if found is not None:
        memory.keep(found)
    return search.result()


def draws(signature: Signature, n: int, seed: int, *, sizes: Mapping[str, int] | None = None) -> Iterator[Inputs]:
    """Return ``n`` random inputs of a signature, one at a time; the same ones for the same seed.

    Args:
        signature: Whose inputs are drawn.
        n: How many.
        seed: Determines them.
        sizes: Sizes of named dimensions that are not to be drawn, such as ``{"batch": 8}``.

    Raises:
        StrategyError: No strategy can be built for the signature.
    """
    ready = plan(signature)
    return (ready.finish(arrays) for arrays in _random(ready, n, seed, sizes or {}))


def _random(ready: Plan, n: int, seed: int, sizes: Mapping[str, int]) -> Iterator[Arrays]:
    source = SeededSource(generator(seed), sample)
    known: dict[Key, int] = {name: size for name, size in sizes.items()}  # noqa: C416 - dict() keeps the narrower key type
    return (ready.draw(source, known) for _ in range(n))


class _Stop(BaseException):
    """Ends a run of Hypothesis, which catches every Exception."""


@dataclass(slots=True)
class _Budget:
    """What shrinking may take, counted from when it starts."""

    requests: int
    seconds: float
    deadline: float | None = None

    def take(self) -> bool:
        """Use up one request; tell whether it is still allowed."""
        now = time.monotonic()
        self.deadline = now + self.seconds if self.deadline is None else self.deadline
        self.requests -= 1
        return self.requests >= 0 and now <= self.deadline


class _Search:
    """One search: what it tried, and the smallest violation so far."""

    __slots__ = (
        "_best",
        "_budget",
        "_error",
        "_examine",
        "_falsifying",
        "_highest",
        "_max_examples",
        "_meter",
        "_origin",
        "_ready",
        "examples_run",
    )

    def __init__(
        self, ready: Plan, examine: Callable[[Inputs], float | None], max_examples: int, budget: _Budget
    ) -> None:
        self._ready = ready
        self._examine = examine
        self._max_examples = max_examples
        self._meter = progress.meter.get()
        self._budget = budget
        self._falsifying: Arrays | None = None
        self._error: AssertionError | None = None
        self._origin = ""
        self._best: Arrays | None = None
        self._highest = -math.inf
        self.examples_run = 0

    def fails(self, origin: str, arrays: Arrays) -> bool:
        """Try one input before shrinking; tell whether it shows a violation."""
        self._count()
        try:
            self._try(arrays)
        except AssertionError as error:
            self._found(origin, arrays, error)
            return True
        return False

    def _count(self) -> None:
        self._meter.example(self.examples_run, self._max_examples)
        self.examples_run += 1

    def random(self, count: int, seed: int, target: str | None) -> None:
        """Try random inputs: from a seed, which is faster and varies more, but for users' own strategies."""
        if self._ready.owns:
            self._hypothesis(count, seed, target)
            return
        climbing = count // 2 if target else 0
        for arrays in _random(self._ready, count - climbing, seed, {}):
            if self.fails("random", arrays):
                return
        source = SeededSource(generator(seed + 1))
        for _ in range(climbing):
            if self._best is None or self.fails("random", mutated(self._ready, self._best, source)):
                return

    def shrunk(self) -> Arrays | None:
        """Make the violation found as small as the budget allows; return its arrays, None if there is none."""
        if self._ready.owns and self._origin.startswith(_CORNER):
            # Only Hypothesis can make a user's own values small, and it has to draw them itself for that.
            self._hypothesis(SHRINK_REQUESTS, 0, None)
        if self._falsifying is not None and self._error is not None:
            attempt = partial(self._attempt, wanted=_kind(self._error))
            self._falsifying, self._error = minimized(self._ready, self._falsifying, self._error, attempt)
        return self._falsifying

    def result(self) -> Exploration:
        """Return what the search came to."""
        if self._falsifying is None:
            return Exploration(self.examples_run)
        return Exploration(self.examples_run, self._ready.finish(self._falsifying), self._error, self._origin)

    def _try(self, arrays: Arrays) -> float | None:
        """Examine one input.

        Raises:
            AssertionError: It shows a violation.
        """
        score = self._examine(self._ready.finish(arrays))
        if score is not None and score > self._highest:
            self._best, self._highest = arrays, float(score)
        return score

    def _attempt(self, arrays: Arrays, wanted: object) -> AssertionError | None:
        """Return the violation that a smaller input shows, if it is the wanted one."""
        if not self._budget.take():
            raise Spent
        self._meter.phase("making the input smaller")
        try:
            self._try(arrays)
        except AssertionError as error:
            return error if _kind(error) == wanted else None
        except Exception as error:
            # A server that died of a smaller example will answer none; what was found before stands.
            raise Spent from error
        return None

    def _hypothesis(self, count: int, seed: int, target: str | None) -> None:
        """Let Hypothesis draw, climb and shrink: only it can, where a user's own strategy draws."""
        if count <= 0:
            return

        broken: list[Exception] = []

        def examine(arrays: Arrays) -> None:
            if self._error is not None:
                self._examine_smaller(arrays, _kind(self._error))
                return
            self._count()
            try:
                score = self._try(arrays)
            except AssertionError as error:
                self._found("random", arrays, error)
                raise
            except Exception as error:
                # Hypothesis would try to shrink what is no violation.
                broken.append(error)
                raise _Stop from error
            if target is not None and score is not None:
                hypothesis.target(float(score), label=target)

        phases = [Phase.generate, Phase.target, Phase.shrink]
        # A violation that shows only now and then is Flaky to Hypothesis; it has been found all the same.
        with contextlib.suppress(AssertionError, Flaky, _Stop):
            run(_arrays(self._ready), examine, max_examples=count, seed=seed, phases=phases)
        if broken:
            raise broken[0]

    def _examine_smaller(self, arrays: Arrays, wanted: object) -> None:
        """Show Hypothesis the violation that was found already, in what it draws from then on."""
        try:
            error = self._attempt(arrays, wanted)
        except Spent:
            raise _Stop from None
        if error is not None:
            self._found(self._origin, arrays, error)
            raise error

    def _found(self, origin: str, arrays: Arrays, error: AssertionError) -> None:
        self._origin, self._falsifying, self._error = origin, arrays, error


def _arrays(ready: Plan) -> SearchStrategy[Arrays]:
    return st.composite(lambda draw: ready.draw(HypothesisSource(draw)))()


def _kind(error: BaseException) -> object:
    """Return what tells violations apart: their class and where they were raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return type(error), None if trace is None else (trace.tb_frame.f_code, trace.tb_lineno)
