"""A violation as a result carries it: its parts by name, for reports that lay them out in their own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.render import examples_in, inputs_text, violation_text
from pytest_tfsig.reports.inputs import as_data

if TYPE_CHECKING:
    from pytest_tfsig.checks.violation import Violation


def parts(violation: Violation) -> dict[str, Any]:
    """Returns the fields of a `Result` that tell a violation."""
    told: dict[str, Any] = {
        "text": violation_text(violation),
        "expected": violation.expected,
        "actual": violation.actual,
        "advice": violation.advice,
        "reproduce": violation.reproduction.as_dict(),
    }
    if violation.inputs is not None:
        told["falsifying"] = {
            name: inputs_text({name: value}, violation.serialized) for name, value in violation.inputs.items()
        }
        told["inputs"] = as_data(
            {
                name: examples_in(value) if name in violation.serialized and isinstance(value, np.ndarray) else value
                for name, value in violation.inputs.items()
            }
        )
    return told
