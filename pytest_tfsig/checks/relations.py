"""relations: what the contract ties together holds: between outputs, and when an input changes in a stated way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig.checks import changed_inputs
from pytest_tfsig.checks.outcome import Outcome
from pytest_tfsig.checks.registry import register
from pytest_tfsig.checks.render import array_text, first_index, index_text
from pytest_tfsig.checks.rounding import precision
from pytest_tfsig.checks.tolerances import Tolerance, differs, has_axis, is_numeric, tolerance, unit, widened
from pytest_tfsig.checks.violation import Violation
from pytest_tfsig.contract import Argmax, Monotone, PaddingInvariant, PermutationInvariant, shape_text
from pytest_tfsig.contract.relations import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pytest_tfsig.checks.subject import Subject
    from pytest_tfsig.contract import Relation, Signature, Tensor

    Inputs = Mapping[str, Any]
    Answer = Mapping[str, NDArray[Any]]

_UNITS_OF_TIE = 16
"""How close to the largest value, in units in its last place, another one is as large: an argmax is often taken of the
logits, and softmax may round two of those to one probability."""


def _states_relations(signature: Signature) -> bool:
    return bool(signature.relations)


@register(
    "relations",
    holds_when="the relations that the contract states hold between outputs, and between changed inputs and outputs",
    inspects=False,
    wanted=_states_relations,
)
def relations(subject: Subject) -> Outcome:
    """Asks drawn requests, and the same ones changed as each relation says."""
    from pytest_tfsig.checks.runner import search

    stated = subject.signature.relations
    for relation in stated:
        reason = _why_not(subject.signature, relation)
        if reason:
            return Outcome("error", reason)

    judged = [0] * len(stated)

    def examine(inputs: Mapping[str, Any]) -> None:
        answer = subject.ask(inputs)
        for number, relation in enumerate(stated):
            judged[number] += _judge(subject, relation, inputs, answer)

    outcome = search(subject, examine, holds="")
    if outcome.verdict != "pass":
        return outcome
    names = [kind_of(relation) for relation in stated]
    if not all(judged):
        never = names[judged.index(0)]
        return Outcome("error", f"the relation {never} could not be judged on any request", outcome.examples)
    counts = ", ".join(f"{name} for {count} requests" for name, count in zip(names, judged, strict=True))
    return replace(outcome, message=f"held: {counts}")


def _why_not(signature: Signature, relation: Relation) -> str:
    """Returns why a relation cannot be judged, "" where it can."""
    if isinstance(relation, Argmax):
        return ""
    if signature.method != "predict":
        return f"a relation of an input needs a predict signature; {signature.method} takes tf.Examples"
    shape = signature.inputs[relation.input].shape
    if isinstance(relation, Monotone):
        return _why_not_growing(signature.inputs[relation.input], relation)
    if shape is not None and not -len(shape) < relation.axis < len(shape):
        return f"input {relation.input!r} has no axis {relation.axis} behind its batch"
    if isinstance(relation, PaddingInvariant) and shape is not None and isinstance(shape[relation.axis], int):
        return (
            f"input {relation.input!r} cannot be padded: axis {relation.axis} has the fixed size {shape[relation.axis]}"
        )
    return ""


def _why_not_growing(tensor: Tensor, relation: Monotone) -> str:
    if tensor.dtype in {"string", "bool"}:
        return f"{tensor.dtype} input {relation.input!r} cannot grow"
    last = 0 if tensor.shape == () else tensor.shape[-1] if tensor.shape else None
    if isinstance(last, int) and not relation.fits(last):
        return f"input {relation.input!r} has no feature {relation.feature} along its last axis"
    return ""


def _judge(subject: Subject, relation: Relation, inputs: Inputs, answer: Answer) -> bool:
    """Judges one relation on one answer; says whether there was anything to judge."""
    if isinstance(relation, Argmax):
        return _argmax(relation, answer, precision(subject))
    if isinstance(relation, Monotone):
        return _monotone(subject, relation, inputs, answer)
    if isinstance(relation, PermutationInvariant):
        changes = changed_inputs.permuted(subject.signature, relation, inputs)
    else:
        changes = changed_inputs.padded(subject.signature, relation, inputs)
    narrow = precision(subject)
    names = _followers(subject.signature, relation)
    judged = False
    for said, changed in changes:
        after = subject.ask(changed)
        for name in names:
            if name in answer and name in after:  # the check outputs tells of outputs that come and go
                _unchanged(relation, name, answer[name], after[name], said=said, inputs=inputs, narrow=narrow)
        judged = True
    return judged


def _argmax(relation: Argmax, answer: Answer, narrow: float) -> bool:
    index, of = answer.get(relation.output), answer.get(relation.of)
    if index is None or of is None or not is_numeric(index) or not is_numeric(of) or not of.size:
        return False  # the check outputs tells of outputs that are not there
    if not has_axis(of, relation.axis):
        raise Violation(
            f"output {relation.of!r} has no axis {relation.axis} to take the argmax along",
            expected=f"a shape with an axis {relation.axis}",
            actual=shape_text(of.shape),
        )
    wide = widened(of)
    axis = relation.axis % of.ndim
    reduced = wide.shape[:axis] + wide.shape[axis + 1 :]
    if index.size != np.prod(reduced, dtype=int):
        raise Violation(
            f"output {relation.output!r} is no index for each row of {relation.of!r}",
            expected=f"shape {list(reduced)}",
            actual=f"shape {list(index.shape)}",
        )
    places = widened(index).real.reshape(reduced)
    rows = np.moveaxis(wide, axis, -1)
    inside = (places >= 0) & (places < rows.shape[-1]) & (places == np.floor(places))
    chosen = np.take_along_axis(rows, np.where(inside, places, 0).astype(int)[..., None], axis=-1)[..., 0]
    with np.errstate(all="ignore"):
        most = rows.max(axis=-1)
        wrong = ~inside | (chosen < most - _UNITS_OF_TIE * max(unit(of), narrow) * np.maximum(1.0, np.abs(most)))
    wrong &= ~np.isnan(rows).any(axis=-1)
    if wrong.any():
        where = first_index(np.atleast_1d(wrong))
        row = rows[where] if wrong.ndim else rows
        raise Violation(
            f"output {relation.output!r} is not the index of the largest value of {relation.of!r} "
            f"at {index_text(where)}",
            expected=f"{int(np.argmax(row))}, whose value is {row.max():.9g}",
            actual=f"{np.atleast_1d(places)[where]:g} for {relation.of} = {array_text(row.astype(of.dtype))}",
            advice="The class ids and the scores are in another order, or the index was taken along another axis.",
        )
    return True


def _monotone(subject: Subject, relation: Monotone, inputs: Inputs, answer: Answer) -> bool:
    before, low = inputs, answer.get(relation.output)
    judged = False
    for changed in changed_inputs.growing(subject.signature, relation, inputs):
        high = subject.ask(changed).get(relation.output)
        if low is None or high is None or low.shape != high.shape or not is_numeric(low):
            return judged  # the check outputs tells of outputs that come and go
        judged = True
        wide_low, wide_high = widened(low), widened(high)
        with np.errstate(all="ignore"):
            fall = wide_low - wide_high if relation.direction == "increasing" else wide_high - wide_low
            narrow = precision(subject)
            rounding = max(
                tolerance(low, before, precision=narrow).atol, tolerance(high, changed, precision=narrow).atol
            )
            wrong = fall > max(relation.atol, rounding)
        if wrong.any():
            where = first_index(wrong) if wrong.ndim else ()
            raise Violation(
                f"output {relation.output!r} moves against input {relation.input!r}, which it should follow",
                before,
                expected=f"{relation.direction} (allowed: {max(relation.atol, rounding):.3g})",
                actual=f"{wide_low[where]:.9g} becomes {wide_high[where]:.9g} at {index_text(where)} when "
                f"{relation.input} becomes {array_text(np.asarray(changed[relation.input]))}",
            )
        before, low = changed, high
    return judged


def _followers(signature: Signature, relation: PermutationInvariant | PaddingInvariant) -> tuple[str, ...]:
    """Returns the outputs that must not change: those stated, or all that have no value for each step of the axis."""
    if relation.outputs:
        return relation.outputs
    shape = signature.inputs[relation.input].shape
    step = shape[relation.axis] if shape is not None else None
    if not isinstance(step, str):
        return tuple(signature.outputs)
    return tuple(name for name, tensor in signature.outputs.items() if step not in (tensor.shape or ()))


def _unchanged(
    relation: PermutationInvariant | PaddingInvariant,
    name: str,
    one: NDArray[Any],
    other: NDArray[Any],
    *,
    said: str,
    inputs: Inputs,
    narrow: float,
) -> None:
    derived = tolerance(one, inputs, precision=narrow)
    allowed = Tolerance(max(relation.rtol, derived.rtol), max(relation.atol, derived.atol))
    alike = one.shape == other.shape and one.dtype == other.dtype
    if not alike or differs(one, other, allowed).any():
        raise Violation(
            f"output {name!r} changes when input {relation.input!r} is {said}",
            expected=f"{name} = {array_text(one)}",
            actual=f"{name} = {array_text(other)} (allowed: {allowed})",
            advice=_ADVICE[type(relation)],
        )


_ADVICE = {
    PermutationInvariant: "Something depends on the order: a recurrent layer, a positional embedding, or a flattening "
    "before a dense layer. Pool over the axis with a sum, mean or maximum first.",
    PaddingInvariant: "Padding is taken for data: pass a mask (mask_zero=True, or a Masking layer), and pool only over "
    "what is not padding.",
}
