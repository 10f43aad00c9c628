"""The rules of compatibility, each with a stable id and a level, and what they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

Wire = Literal["grpc", "rest_row", "rest_columnar"]
"""How a caller speaks to the server: gRPC, REST with ``instances``, or REST with ``inputs``."""

Part = Literal["signature", "method", "input", "output", "feature"]

ALL_WIRES: Final[tuple[Wire, ...]] = ("grpc", "rest_row", "rest_columnar")
GRPC: Final[tuple[Wire, ...]] = ("grpc",)
ROW: Final[tuple[Wire, ...]] = ("rest_row",)
COLUMNAR: Final[tuple[Wire, ...]] = ("rest_columnar",)
REST: Final[tuple[Wire, ...]] = (*ROW, *COLUMNAR)


class Level(StrEnum):
    """How much a change matters: ERROR breaks callers, WARN may surprise them, INFO tells of the rest."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of compatibility.

    Attributes:
        id: Its stable name.
        level: How much it matters.
        summary: What it is about, for documentation.
    """

    id: str
    level: Level
    summary: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule's id.
        level: The rule's level.
        signature: The signature.
        part: What of it changed.
        name: The input's, output's or feature's name; empty for the signature and its method.
        wires: The callers that it concerns.
        message: One sentence.
    """

    rule: str
    level: Level
    signature: str
    part: Part
    name: str
    wires: tuple[Wire, ...]
    message: str


@dataclass(slots=True)
class Report:
    """The findings about one signature.

    Attributes:
        signature: Its name.
        callers: The wires on which callers of the old version can exist.
        findings: What was found so far.
    """

    signature: str
    callers: tuple[Wire, ...] = ALL_WIRES
    findings: list[Finding] = field(default_factory=list)

    def add(self, rule: str, part: Part, name: str, message: str, wires: tuple[Wire, ...] = ALL_WIRES) -> None:
        """Add a finding, unless nobody who could speak on these wires exists."""
        concerned = tuple(wire for wire in wires if wire in self.callers)
        if concerned:
            finding = Finding(rule, RULES[rule].level, self.signature, part, name, concerned, message)
            self.findings.append(finding)


_ERROR, _WARN, _INFO = Level.ERROR, Level.WARN, Level.INFO

RULES: Final = {
    rule.id: rule
    for rule in (
        Rule(
            "signature-removed",
            _ERROR,
            "A signature is gone; requests that name it, or rely on it as the default, fail.",
        ),
        Rule("signature-added", _INFO, "A signature is new."),
        Rule("variables-not-restored", _ERROR, "A signature reads variables that nothing restores; all requests fail."),
        Rule(
            "method-changed", _ERROR, "A classify or regress signature has another method; Classify or Regress fails."
        ),
        Rule(
            "method-repurposed", _WARN, "A predict signature became classify or regress; Predict still answers for it."
        ),
        Rule("input-removed", _ERROR, "An input is gone; gRPC and REST rows that still send it fail."),
        Rule("input-ignored", _WARN, "An input is gone; REST columns that still send it are answered without it."),
        Rule(
            "input-renamed", _ERROR, "The only input has another name; only REST callers that send bare values go on."
        ),
        Rule("input-added", _ERROR, "A new input must be sent; requests without it fail."),
        Rule("input-added-optional", _INFO, "A new input has a default; gRPC requests may leave it out."),
        Rule(
            "input-default-removed", _ERROR, "An input has no default any more; gRPC requests that leave it out fail."
        ),
        Rule("input-default-added", _INFO, "An input has a default now; gRPC requests may leave it out."),
        Rule("input-dtype-changed", _ERROR, "An input's dtype changed so that requests fail or mean something else."),
        Rule("input-dtype-lossy", _WARN, "REST values are read into a dtype with less precision or range."),
        Rule("input-dtype-widened", _INFO, "REST values are read into a dtype that holds all of them."),
        Rule("input-rank-changed", _ERROR, "An input's rank changed."),
        Rule("input-size-changed", _ERROR, "An input takes other sizes; neither shape takes all that the other does."),
        Rule("input-narrowed", _ERROR, "An input takes fewer shapes than before."),
        Rule("input-widened", _INFO, "An input takes more shapes than before."),
        Rule("output-removed", _ERROR, "An output is gone."),
        Rule("output-renamed", _ERROR, "The only output has another name; REST callers, who get bare values, go on."),
        Rule("output-added", _INFO, "An output is new."),
        Rule("outputs-nested", _ERROR, "REST answers were bare values of one output and are objects of several now."),
        Rule("outputs-bared", _ERROR, "REST answers were objects of several outputs and are bare values of one now."),
        Rule(
            "output-encoding-changed",
            _ERROR,
            "A string output's name gained or lost _bytes: REST writes it differently.",
        ),
        Rule(
            "output-not-in-json", _ERROR, "An output's dtype does not travel over REST, so no REST answer is written."
        ),
        Rule("output-breaks-rows", _ERROR, "An output does not share the leading dimension; REST rows fail."),
        Rule(
            "output-dtype-changed",
            _ERROR,
            "An output's dtype changed; callers read another field or another kind of value.",
        ),
        Rule("output-number-changed", _WARN, "Numbers in REST answers have another form or precision."),
        Rule("output-rank-changed", _ERROR, "An output's rank changed."),
        Rule("output-size-changed", _ERROR, "An output has other sizes; neither shape has all that the other does."),
        Rule("output-widened", _ERROR, "An output may have more shapes than before."),
        Rule("output-narrowed", _INFO, "An output has fewer shapes than before."),
        Rule("feature-added", _ERROR, "The graph needs a new feature in each tf.Example."),
        Rule("feature-added-optional", _INFO, "The graph reads a new feature that a tf.Example may lack."),
        Rule("feature-ignored", _WARN, "The graph does not read a feature any more; it is ignored without an error."),
        Rule("feature-dtype-changed", _ERROR, "A feature's dtype changed; tf.Examples that carry the old one fail."),
        Rule("feature-shape-changed", _ERROR, "A feature takes another number of values."),
        Rule("feature-relaxed", _INFO, "A feature takes any number of values now."),
        Rule("feature-required", _ERROR, "A feature has no default any more; tf.Examples without it fail."),
        Rule("feature-optional", _INFO, "A tf.Example may lack a feature now."),
        Rule("feature-default-changed", _WARN, "Another value is taken where a tf.Example lacks a feature."),
        Rule("features-unknown", _WARN, "A graph's features cannot be read, so tf.Examples cannot be judged."),
    )
}
"""Every rule by its id."""
