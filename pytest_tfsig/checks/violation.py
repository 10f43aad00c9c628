"""A violation: a check that failed, with the smallest input that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How to see a violation again, outside the test run.

    Attributes:
        serve: The shell line that serves the model.
        curl: The shell line that sends the request over REST; empty where JSON cannot carry it.
        python: A Python snippet that sends the same request over gRPC.
        pytest: The shell line that runs the same check with the same draws.
        npz: The file that holds inputs too large to print; empty where they are printed.
    """

    serve: str = ""
    curl: str = ""
    python: str = ""
    pytest: str = ""
    npz: str = ""

    def as_dict(self) -> dict[str, str]:
        """Returns the parts that there are, by name."""
        return {name: text for name in self.__slots__ if (text := getattr(self, name))}


@dataclass
class Violation(AssertionError):  # noqa: N818 - the project's own word
    """One property does not hold; raised by checks, shown to users.

    Attributes:
        sentence: What is wrong, in one sentence.
        inputs: The smallest inputs known to show it, by name; None where no request is involved.
        expected: What the contract says, in the terms of the check.
        actual: What was seen instead.
        advice: What to do, where the cause is known.
        reproduction: How to see it again; filled in by whoever knows the model and the test.
        rows: The rows of the inputs that make up the other request, where the answers to two are compared.
        serialized: The inputs that hold serialized tf.Examples, which are shown as what they say; filled in with the
            reproduction.
    """

    sentence: str
    inputs: Mapping[str, Any] | None = None
    expected: str = ""
    actual: str = ""
    advice: str = ""
    reproduction: Reproduction = field(default_factory=Reproduction)
    rows: Sequence[int] = ()
    serialized: Collection[str] = ()

    def __str__(self) -> str:
        from pytest_tfsig.checks.render import violation_text

        return violation_text(self)

    __hash__ = AssertionError.__hash__
