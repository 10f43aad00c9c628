"""Kinship: whether two models can be versions of one another at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec


def are_related(old: Mapping[str, SignatureSpec], new: Mapping[str, SignatureSpec]) -> bool:
    """Tell whether anything of an old model is left in a new one: a tensor's name, or a signature's form.

    Where nothing is, a path is likelier to be mistaken than a model to be changed that much.
    """
    return any(_are_kin(one, other) for one in old.values() for other in new.values())


def _are_kin(old: SignatureSpec, new: SignatureSpec) -> bool:
    has_common_name = bool(old.inputs.keys() & new.inputs.keys() or old.outputs.keys() & new.outputs.keys())
    return has_common_name or (_form(old.inputs) == _form(new.inputs) and _form(old.outputs) == _form(new.outputs))


def _form(tensors: Mapping[str, TensorSpec]) -> list[str]:
    return sorted(f"{tensor.dtype} {tensor.shape}" for tensor in tensors.values())
