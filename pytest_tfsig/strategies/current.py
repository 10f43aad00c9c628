"""The signature under test, which `signature_inputs` draws for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from pytest_tfsig.contract import Signature
from pytest_tfsig.errors import StrategyError
from pytest_tfsig.strategies.signatures import Inputs, signature_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import SearchStrategy

__all__ = ["current_signature", "current_signatures", "signature_inputs"]

current_signature: ContextVar[Signature | None] = ContextVar("current_signature", default=None)
"""The signature that the running test is about; whoever runs the test sets it."""

current_signatures: ContextVar[Mapping[str, Signature]] = ContextVar("current_signatures")
"""All signatures of the model that the running test is about, by name."""


def signature_inputs(signature: Signature | str | None = None) -> SearchStrategy[Inputs]:
    """Return a strategy for all inputs of a signature, for ``@given``.

    The model under test is looked up when the test draws, so that one test can be run for several models.

    Args:
        signature: A contract's signature; the name of one of the model under test; None: the one under test.

    Returns:
        A strategy for dicts of arrays by input name, for classify and regress of ``{"examples": [...]}``.

    Raises:
        StrategyError: `signature` is neither; or, when drawn, there is no model under test or no such signature.
    """
    if isinstance(signature, Signature):
        return signature_arrays(signature)
    if signature is not None and not isinstance(signature, str):
        raise StrategyError(
            f"signature_inputs({signature!r}): give a signature's name, a Signature, or nothing for the one under test."
        )
    known: dict[int, tuple[Signature, SearchStrategy[Inputs]]] = {}

    def make(draw: Callable[[SearchStrategy[Any]], Any]) -> Inputs:
        found = _resolved(signature)
        # Holding on to the signature keeps its id from being given to another.
        if id(found) not in known:
            known[id(found)] = found, signature_arrays(found)
        inputs: Inputs = draw(known[id(found)][1])
        return inputs

    return st.composite(make)()


def _resolved(name: str | None) -> Signature:
    signature = current_signature.get()
    if name is None or (signature is not None and signature.name == name):
        if signature is None:
            raise StrategyError(
                "signature_inputs() found no model under test; mark the test with "
                "@pytest.mark.tfsig_model(path) and use the served_model fixture, or pass a Signature."
            )
        return signature
    signatures = current_signatures.get({})
    if name not in signatures:
        names = ", ".join(sorted(signatures)) or "none"
        raise StrategyError(f'signature_inputs("{name}"): the model under test has no such signature; known: {names}.')
    return signatures[name]
