"""What was not tried: inputs that the draws leave out for want of a word in the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_tfsig.contract.completion import is_shared_axis
from pytest_tfsig.strategies.limits import DEFAULT_INTEGER_END
from pytest_tfsig.strategies.ties import ties

if TYPE_CHECKING:
    from pytest_tfsig.contract import Signature

_OPEN_INTEGERS = {"int32", "int64", "uint32", "uint64"}


def untried(signature: Signature) -> list[str]:
    """Returns a sentence for each kind of input that a signature's draws leave out."""
    return [note for note in (_small_integers(signature), _made_up_text(signature), _equal_sizes(signature)) if note]


def _small_integers(signature: Signature) -> str:
    """Returns which inputs got no large integers: ids above 9 would fail most sound models."""
    tied = {tie.name for tie in ties(signature)}  # masks hold 0 and 1, lengths what they measure
    open_ended = [
        f"{name!r} (0 to {DEFAULT_INTEGER_END})" if tensor.min is None else f"{name!r} (the first after min)"
        for name, tensor in signature.inputs.items()
        if name not in tied
        and tensor.dtype in _OPEN_INTEGERS
        and tensor.max is None
        and tensor.values is None
        and tensor.vocabulary is None
        and tensor.strategy is None
    ]
    if not open_ended:
        return ""
    return f"only small integers were sent to {', '.join(open_ended)}: state max to have its last ids tried"


def _made_up_text(signature: Signature) -> str:
    """Returns which strings were none that the model is known to tell apart: all may be one and the same to it."""
    made_up = [
        repr(name)
        for name, tensor in signature.inputs.items()
        if tensor.dtype == "string"
        and (tensor.vocabulary, tensor.values, tensor.image, tensor.features, tensor.strategy) == (None,) * 5
    ]
    if not made_up:
        return ""
    return f"only made-up strings were sent to {', '.join(made_up)}: state values or vocabulary to have its words tried"


def _equal_sizes(signature: Signature) -> str:
    """Returns which inputs were always equally long though only an inferred contract says so."""
    tied: dict[str, list[str]] = {}
    for name, tensor in signature.inputs.items():
        for dimension in filter(is_shared_axis, tensor.dimension_names):
            tied.setdefault(dimension, []).append(repr(name))
    told = [f"{' and '.join(names)} ({dimension})" for dimension, names in tied.items() if len(names) > 1]
    if not told:
        return ""
    return f"inputs of unknown length were sent equally long: {', '.join(told)}; name their sizes apart if they differ"
