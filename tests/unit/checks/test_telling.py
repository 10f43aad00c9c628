"""What a result carries of a violation."""

from __future__ import annotations

import numpy as np

from pytest_tfsig.checks import Violation
from pytest_tfsig.checks.telling import parts


def test_every_part_is_a_field_of_its_own():
    told = parts(Violation("wrong\nindeed", {"x": np.zeros(2)}, "  actual:\nthis", "that\n\n  what to do:", "mend it"))
    assert (told["expected"], told["actual"], told["advice"]) == (
        "  actual:\nthis",
        "that\n\n  what to do:",
        "mend it",
    )
    assert told["text"].startswith("wrong\nindeed\n  smallest input that shows it:\n")
    assert told["falsifying"] == {"x": "x = float64 [2] [0., 0.]"}
    assert told["inputs"]["x"]["values"] == [0.0, 0.0]


def test_a_violation_without_a_request_has_no_inputs():
    assert {"falsifying", "inputs"}.isdisjoint(parts(Violation("wrong")))
