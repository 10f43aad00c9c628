"""A model server without TensorFlow: signatures whose graphs are numpy functions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import protos, tensors
from pytest_tfsig.errors import TensorError
from pytest_tfsig.model_server.servables import Servable
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


def signature(inputs: Mapping[str, str], outputs: Mapping[str, str], method: str = "predict") -> Any:
    """A SignatureDef of vectors: name -> dtype; the tensor of `x` is `x:0`."""
    message = protos.SignatureDef(method_name=f"tensorflow/serving/{method}")
    for declared, table in ((inputs, message.inputs), (outputs, message.outputs)):
        for name, dtype in declared.items():
            table[name].name = f"{name}:0"
            table[name].dtype = tensors.dtype(dtype).number
            table[name].tensor_shape.dim.add().size = -1
    return message


class FakeSession:
    """Runs a numpy function from tensor names to tensor names."""

    def __init__(self, function: Callable[..., dict[str, np.ndarray]]) -> None:
        self._function = function

    def feed(self, value: Any, content: memoryview | None = None) -> np.ndarray:
        assert content is None
        if isinstance(value, np.ndarray):
            return value
        try:
            return tensors.from_proto(value)
        except TensorError as error:
            raise StatusError(Code.INVALID_ARGUMENT, str(error)) from error

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> list[np.ndarray]:
        outputs = self._function(**{name.removesuffix(":0"): value for name, value in feeds.items()})
        return [np.asarray(outputs[name.removesuffix(":0")]) for name in fetches]

    def close(self) -> None:
        """Nothing to free."""


class FakeManager:
    """Serves one model, version 7, and knows its status."""

    def __init__(self, name: str, signatures: Mapping[str, Any], function: Callable[..., Any]) -> None:
        self.name = name
        self.servable = Servable(name, 7, signatures, FakeSession(function))

    @contextmanager
    def get(self, spec: Any) -> Iterator[Servable]:
        if spec.name != self.name:
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        yield self.servable

    def rows(self, name: str) -> list[Any]:  # noqa: ARG002  (this model has no history)
        return []


def echo_manager(*dtypes: str) -> FakeManager:
    """`serving_default` gives float32 `x` back as `y`; so does a signature of each dtype's name."""
    signatures = {dtype: signature({"x": dtype}, {"y": dtype}) for dtype in dtypes}
    signatures["serving_default"] = signature({"x": "float32"}, {"y": "float32"})
    return FakeManager("echo", signatures, lambda x: {"y": x})
