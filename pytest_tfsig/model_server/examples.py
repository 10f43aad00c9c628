"""What classify, regress and multi-inference share: examples in, and the signatures that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import text_format

from pytest_tfsig.model_server.predict import DEFAULT_SIGNATURE
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_tfsig.model_server.servables import Servable

__all__ = ["debug_text", "find_signature", "run", "serialized"]

# What protobuf puts before a message's debug text, so that nobody parses it; the number of spaces varies by build.
_DEBUG_MARK = "goo.gle/debugonly  \n"


def serialized(given: Any) -> NDArray[Any]:
    """The serialised tf.Examples of an Input, as a parse op takes them; a context is put before each.

    Raises:
        StatusError: There are none.
    """
    kind = given.WhichOneof("kind")
    examples = getattr(given, kind).examples if kind else []
    context = b""
    if kind == "example_list_with_context":
        context = given.example_list_with_context.context.SerializeToString()
    if not examples:
        raise StatusError(Code.INVALID_ARGUMENT, "Input is empty.")
    strings = np.empty(len(examples), object)
    strings[:] = [context + example.SerializeToString() for example in examples]
    return strings


def find_signature(servable: Servable, name: str) -> Any:
    """The SignatureDef that a classify or regress request names; empty for the default one.

    Raises:
        StatusError: There is no such signature.
    """
    name = name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError(Code.INVALID_ARGUMENT, f"No signature was found with the name: {name}")
    return signature


def run(servable: Servable, feeds: set[str], examples: NDArray[Any], fetches: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Run the graph on examples.

    Args:
        servable: The loaded version.
        feeds: Names of the tensors that take the examples.
        examples: Serialised tf.Examples, shape [n].
        fetches: Names of the tensors to compute.

    Returns:
        Tensor name -> array.
    """
    feed = servable.session.feed(examples)
    outputs = servable.session.run(dict.fromkeys(sorted(feeds), feed), fetches)
    return dict(zip(fetches, outputs, strict=True))


def debug_text(signature: Any) -> str:
    """A SignatureDef as TensorFlow Serving's messages show it."""
    return _DEBUG_MARK + text_format.MessageToString(signature)
