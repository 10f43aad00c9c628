"""pytest-tfsig: prove what callers of a served TensorFlow model may rely on.

Names are imported on first use, so that a test run which does not use the plugin pays nothing for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_tfsig.checks import Observation, Subject, Violation, check
    from pytest_tfsig.clients import ServingError
    from pytest_tfsig.contract import (
        Argmax,
        Contract,
        Feature,
        LatencyBudget,
        Monotone,
        PaddingInvariant,
        PermutationInvariant,
        Probabilities,
        Signature,
        Tensor,
    )
    from pytest_tfsig.errors import TfsigError
    from pytest_tfsig.serving import ServedModel
    from pytest_tfsig.session import Session
    from pytest_tfsig.strategies import signature_inputs

__all__ = [
    "Argmax",
    "Contract",
    "Feature",
    "LatencyBudget",
    "Monotone",
    "Observation",
    "PaddingInvariant",
    "PermutationInvariant",
    "Probabilities",
    "ServedModel",
    "ServingError",
    "Session",
    "Signature",
    "Subject",
    "Tensor",
    "TfsigError",
    "Violation",
    "check",
    "signature_inputs",
]

_HOMES = {
    "checks": ("Observation", "Subject", "Violation", "check"),
    "clients": ("ServingError",),
    "contract": (
        "Argmax",
        "Contract",
        "Feature",
        "LatencyBudget",
        "Monotone",
        "PaddingInvariant",
        "PermutationInvariant",
        "Probabilities",
        "Signature",
        "Tensor",
    ),
    "errors": ("TfsigError",),
    "serving": ("ServedModel",),
    "session": ("Session",),
    "strategies": ("signature_inputs",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except (ImportError, AttributeError):
        from pytest_tfsig import requirements

        if (unmet := requirements.unmet()) is None:
            raise
        raise ImportError(unmet) from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
