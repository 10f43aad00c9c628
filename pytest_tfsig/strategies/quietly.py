"""Hypothesis run for its values: nothing printed, nothing left on disk, nothing judged but what the caller raises."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hypothesis.strategies import SearchStrategy

__all__ = ["run", "sample"]

# Values of one strategy to choose from outside a run of Hypothesis, which takes some milliseconds to start.
_POOL: Final = 16


def run(
    strategy: SearchStrategy[Any],
    examine: Callable[[Any], None],
    *,
    max_examples: int,
    seed: int,
    phases: Sequence[Phase],
) -> None:
    """Call ``examine`` with values of ``strategy``, as Hypothesis finds, targets and shrinks them.

    Args:
        strategy: Where the values come from.
        examine: May call `hypothesis.target`; what it raises is what Hypothesis shrinks, and a BaseException that is no
            Exception ends the run at once.
        max_examples: Values to try before any shrinking.
        seed: Determines the values.
        phases: What Hypothesis does with them.

    Raises:
        Exception: What ``examine`` raised for the smallest value that makes it raise.
    """

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=max_examples,
        phases=phases,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @hypothesis.given(strategy)
    def test(value: Any) -> None:
        examine(value)

    with _elsewhere():
        test()


def sample(strategy: SearchStrategy[Any], seed: int) -> Any:
    """Return one value of ``strategy``; the same one for the same seed."""
    values = _pool(strategy)
    return values[seed % len(values)]


@lru_cache(maxsize=64)
def _pool(strategy: SearchStrategy[Any]) -> list[Any]:
    values: list[Any] = []
    run(strategy, values.append, max_examples=_POOL, seed=0, phases=[Phase.generate])
    return values


@contextmanager
def _elsewhere() -> Iterator[None]:
    """Let Hypothesis keep its caches in a folder that is removed, not in the user's repository."""
    storage: Any = configuration.storage_directory(intent_to_write=False)
    home = getattr(storage, "path", storage)  # a plain path before Hypothesis 6.140
    with tempfile.TemporaryDirectory(prefix="tfsig-") as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(home)
