"""values: probability sums and ranges, bounds, listed values and text encodings hold in every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.render import array_text, first_index, index_text
from pytest_tfsig.checks.tolerances import has_axis, is_inexact, is_numeric, widened
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract import ProbabilityRule, shape_text
from pytest_tfsig.reports.sums import SumErrors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Observation, Subject
    from pytest_tfsig.contract import Signature, Tensor


def _states_values(signature: Signature) -> bool:
    """Whether the contract says anything of the values of its outputs."""
    return any(
        tensor.probabilities is not None
        or tensor.values is not None
        or tensor.encoding is not None
        or tensor.min is not None
        or tensor.max is not None
        for tensor in signature.outputs.values()
    )


@register(
    "values",
    holds_when="probability sums and ranges, min/max, values and encodings hold",
    inspects=True,
    wanted=_states_values,
)
def values(subject: Subject, observation: Observation) -> None:
    """Compares the values of one answer with what the contract says of them; NaN is left to the check `finite`."""
    for name, tensor in subject.signature.outputs.items():
        array = observation.outputs.get(name)
        if array is None or array.size == 0:
            continue
        if isinstance(tensor.probabilities, ProbabilityRule) and is_inexact(array):
            _probabilities(name, tensor.probabilities, array)
        if is_numeric(array):
            _bounds(name, tensor, array)
        _listed(name, tensor, array)
        if tensor.encoding is not None and array.dtype == object:
            _text(name, tensor.encoding, array)


def tally_sums(signature: Signature, observation: Observation, tallies: dict[str, SumErrors]) -> None:
    """Counts how far the sums of one answer's probabilities are from 1, for reports."""
    for name, tensor in signature.outputs.items():
        array, rule = observation.outputs.get(name), tensor.probabilities
        if isinstance(rule, ProbabilityRule) and array is not None and is_inexact(array) and has_axis(array, rule.axis):
            with np.errstate(all="ignore"):
                errors = np.abs(widened(array).sum(axis=rule.axis) - 1)
            tallies.setdefault(name, SumErrors(rule.atol or 0.0)).add(errors.ravel().tolist())


def _probabilities(name: str, rule: ProbabilityRule, array: NDArray[Any]) -> None:
    if not has_axis(array, rule.axis):
        raise Violation(
            f"output {name!r} has no axis {rule.axis}, along which its probabilities are to sum to 1",
            expected=f"a shape with an axis {rule.axis}",
            actual=shape_text(array.shape),
        )
    wide = widened(array)
    atol = rule.atol or 0.0
    with np.errstate(all="ignore"):
        outside = (wide < -atol) | (wide > 1 + atol)
        if outside.any():
            index = first_index(outside)
            raise Violation(
                f"output {name!r} is no probability at {index_text(index)}",
                expected="values from 0 to 1",
                actual=f"{wide[index]:.9g} in {array_text(array)}",
                advice="These look like logits: the signature misses its sigmoid or softmax."
                if abs(wide[index]) > 1 + 2 * atol or wide[index] < 0
                else "",
            )
        sums = wide.sum(axis=rule.axis)
        wrong = np.abs(sums - 1) > atol
    if wrong.any():
        index = first_index(np.atleast_1d(wrong))
        total = float(np.atleast_1d(sums)[index])
        raise Violation(
            f"the probabilities in output {name!r} sum to {total:.9g}, not to 1",
            expected=f"a sum of 1 within {atol:g} along axis {rule.axis}",
            actual=f"{total:.9g} at {index_text(index)}: {array_text(array)}",
            advice=_sum_advice(wide, rule, total, atol),
        )


def _sum_advice(wide: NDArray[Any], rule: ProbabilityRule, total: float, atol: float) -> str:
    for axis in range(wide.ndim):
        if axis != rule.axis % wide.ndim and np.all(np.abs(wide.sum(axis=axis) - 1) <= atol):
            return (
                f"The sums along axis {axis} are 1: softmax is applied over the wrong axis. Say tf.nn.softmax(logits, "
                f"axis={rule.axis})."
            )
    if np.all((wide >= 0) & (wide <= 1)) and abs(total - 1) > 10 * atol:
        return (
            "Each value is in [0, 1] but they do not sum to 1: sigmoids of independent labels are no softmax. If they "
            "are independent, state min = 0 and max = 1 instead of probabilities."
        )
    return "If rounding explains it, give the contract a larger atol for this output."


def _bounds(name: str, tensor: Tensor, array: NDArray[Any]) -> None:
    wide = widened(array) if is_inexact(array) else array
    for bound, beyond, word in ((tensor.min, np.less, "below min"), (tensor.max, np.greater, "above max")):
        if bound is None:
            continue
        # A bound such as 0.1 means the number that the output's dtype makes of it.
        limit = widened(np.asarray(bound, np.float64).astype(array.dtype)) if is_inexact(array) else bound
        with np.errstate(all="ignore"):
            outside = beyond(wide, limit)
        if outside.any():
            index = first_index(outside)
            raise Violation(
                f"output {name!r} is {word} = {bound} at {index_text(index)}",
                expected=f"{'>=' if word == 'below min' else '<='} {bound}",
                actual=f"{wide[index]!s} in {array_text(array)}",
            )


def _listed(name: str, tensor: Tensor, array: NDArray[Any]) -> None:
    if tensor.values is None:
        return
    if array.dtype == object:
        known = {value.encode() if isinstance(value, str) else value for value in tensor.values}
        strange = np.array([value not in known for value in array.ravel().tolist()]).reshape(array.shape)
    else:
        strange = ~np.isin(array, np.array(tensor.values).astype(array.dtype))
        if is_inexact(array):
            strange &= ~np.isnan(widened(array))
    if strange.any():
        index = first_index(strange)
        raise Violation(
            f"output {name!r} has a value that the contract does not list, at {index_text(index)}",
            expected=f"one of {list(tensor.values)}",
            actual=f"{array[index]!r} in {array_text(array)}",
        )


def _text(name: str, encoding: str, array: NDArray[Any]) -> None:
    for index in np.ndindex(array.shape):
        value: bytes = array.item(index)
        try:
            value.decode(encoding)
        except UnicodeDecodeError as error:
            raise Violation(
                f"output {name!r} is no {encoding} text at {index_text(index)}",
                expected=f"{encoding} text",
                actual=f"{value!r}: {error}",
            ) from None
