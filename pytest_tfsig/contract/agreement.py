"""A contract: what callers may rely on for all signatures of one model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_tfsig.contract.completion import complete, inferred_signature
from pytest_tfsig.contract.keys import KeyedError, at
from pytest_tfsig.contract.naming import suggestion
from pytest_tfsig.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_tfsig.contract.signature import Signature
    from pytest_tfsig.savedmodel import SavedModel, SignatureSpec


@dataclass(frozen=True, slots=True)
class Contract:
    """The contracts of a model's signatures.

    Attributes:
        signatures: By name; empty: every signature of the SavedModel, as it declares itself.
        model: The SavedModel that the contract names, an absolute path, or None.
        source: Where the contract is written, for messages.
        consumer: Whose contract it is, such as "search-api"; "": it does not say.
        pending: Whether what does not hold is reported and fails nothing: a new consumer's contract.

    Raises:
        ContractError: A signature is filed under another name, or the consumer's name is not one line of text.
    """

    signatures: Mapping[str, Signature] = field(default_factory=dict)
    model: Path | None = None
    source: str = "contract"
    consumer: str = ""
    pending: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.consumer, str) or not self.consumer.isprintable():
            raise KeyedError(("consumer",), f"{self.consumer!r} is no name; write one line of text.")
        if not isinstance(self.pending, bool):
            raise KeyedError(("pending",), f"{self.pending!r} is neither true nor false.")
        for name, signature in self.signatures.items():
            if name != signature.name:
                raise ContractError(f'{self.source}: signature "{signature.name}" is filed under "{name}".')
        object.__setattr__(self, "signatures", dict(self.signatures))

    def completed(self, specs: Mapping[str, SignatureSpec]) -> Contract:
        """Return the contract with what it leaves open taken from the model's signatures.

        Args:
            specs: The model's signatures, from ``SavedModel.signatures`` or ``signatures_from_metadata``.

        Raises:
            ContractError: The model has no such signature, or the completed contract contradicts itself.
        """
        if not self.signatures:
            return replace(
                self, signatures={name: complete(inferred_signature(spec), spec) for name, spec in specs.items()}
            )
        completed = {}
        for name, signature in self.signatures.items():
            if name not in specs:
                raise ContractError(f'{self.source}: the model has no signature "{name}"; {suggestion(name, specs)}')
            try:
                completed[name] = at(("signatures", name), partial(complete, signature, specs[name]))
            except ContractError as error:
                raise ContractError(f"{self.source}: {error}") from None
        return replace(self, signatures=completed)


def infer(saved_model: SavedModel) -> Contract:
    """Return the contract that a SavedModel states about itself: the signatures, dtypes and shapes it declares.

    Names of dimensions, and what the graph tells of the inputs' values, are those of ``inferred_signature``.
    """
    return Contract(
        {name: inferred_signature(spec) for name, spec in saved_model.signatures.items()},
        saved_model.path,
        str(saved_model.path),
    )
