"""The numbers that bound what is generated where a contract leaves it open, each with its reason."""

from __future__ import annotations

from typing import Final

__all__ = [
    "DEFAULT_FLOAT_END",
    "DEFAULT_INTEGER_END",
    "ELEMENTWISE",
    "MAX_CORNER_CASES",
    "MAX_ELEMENTS",
]

MAX_ELEMENTS: Final = 2**20
"""Elements in all inputs of one request together, where sizes are free: 4 MiB of float32, what one gRPC message
carries by default. A shape whose smallest sizes need more is generated at those."""

DEFAULT_FLOAT_END: Final = 1000.0
"""Largest magnitude of a float without ``min`` and ``max``. Measurements fed unscaled (areas, prices, pixels up to 255)
get there, and a softmax that forgets to subtract its maximum overflows; but squares, and sums of some dozen products
in float16, stay finite, so that a sound model is not called broken for inputs that its users never meant."""

DEFAULT_INTEGER_END: Final = 9
"""Largest value of a 32 or 64 bit integer without ``min`` and ``max``. Such inputs are ids and counts; an id past the
end of a vocabulary that nobody declared is an error of the test, not of the model."""

ELEMENTWISE: Final = 32
"""Tensors up to this many elements are drawn element by element, which shrinks best; larger ones from a seed."""

MAX_CORNER_CASES: Final = 40
"""Corner cases of one signature: few enough to run before a hundred random examples."""
