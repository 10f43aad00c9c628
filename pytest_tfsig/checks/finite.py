"""finite: no NaN or infinity in a float output, unless the contract allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.render import array_text, first_index, index_text
from pytest_tfsig.checks.tolerances import is_inexact, widened
from pytest_tfsig.checks.violation import Violation

if TYPE_CHECKING:
    from pytest_tfsig.checks.subject import Observation, Subject

_ADVICE = (
    "A division, logarithm or square root met zero, or an exponential overflowed: divide with tf.math.divide_no_nan or "
    "add a small constant inside the root and the logarithm. If the value is meant, say finite = false for this output."
)


@register("finite", holds_when="no NaN or infinity in a float output, unless the contract allows it", inspects=True)
def finite(subject: Subject, observation: Observation) -> None:
    """Looks for NaN and infinities in one answer."""
    for name, array in observation.outputs.items():
        tensor = subject.signature.outputs.get(name)
        if (tensor is not None and not tensor.finite) or not is_inexact(array):
            continue
        bad = ~np.isfinite(widened(array))
        if bad.any():
            index = first_index(bad)
            kind = "NaN" if np.isnan(widened(array)[index]) else "infinity"
            raise Violation(
                f"output {name!r} has {kind} at {index_text(index)}",
                expected="finite numbers",
                actual=f"{name} = {array_text(array)}",
                advice=_ADVICE,
            )
