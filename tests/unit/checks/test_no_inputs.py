"""A signature that is asked nothing, such as one that tells its labels: every check judges it or says why not."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_tfsig.checks import applicable
from pytest_tfsig.contract import Signature, Tensor
from tests.unit.checks.fakes import outcome

LABELS = Signature(inputs={}, outputs={"labels": Tensor("string", [2]), "weights": Tensor("float32", [2])})


def labels(_):
    return {"labels": np.array([b"cat", b"dog"], object), "weights": np.float32([0.5, 2])}


def rising():
    asked = iter(range(10_000))
    return lambda _: {**labels(_), "weights": np.full(2, next(asked), np.float32)}


JUDGED = {"outputs", "finite", "deterministic", "rejects_invalid", "concurrent"}
SKIPPED = {"batch_invariant", "transports_agree"}


@pytest.mark.parametrize("name", sorted(JUDGED | SKIPPED))
def test_a_sound_one_raises_no_alarm(name):
    assert name in {check.name for check in applicable(LABELS)}
    result = outcome(name, labels, LABELS, over_rest=labels)
    assert result.verdict == ("pass" if name in JUDGED else "skip"), result.message


def test_what_is_wrong_is_found_and_shown():
    violation = outcome("deterministic", rising(), LABELS).violation
    assert violation.sentence == "the same request gives different answers in output 'weights'"
    assert violation.inputs == {}
    assert "smallest input that shows it:\n    (no inputs)" in str(violation)


def test_an_extra_input_must_be_refused():
    result = outcome("rejects_invalid", labels, LABELS, compares=False)
    assert result.violation.sentence == "a malformed request is answered over gRPC: there is an extra input 'extra'"
