"""A served model that is a Python function, so that checks are tested without a server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_tfsig import tensors
from pytest_tfsig.checks import Outcome, Settings, Subject, checks, run
from pytest_tfsig.clients import ServingError
from pytest_tfsig.savedmodel import SignatureSpec, TensorSpec

if TYPE_CHECKING:
    from pytest_tfsig.contract import Signature


def refusal(code: str = "INVALID_ARGUMENT", message: str = "no", transport: str = "grpc") -> ServingError:
    return ServingError(code, message, transport)


class FakeServer:
    def __init__(self) -> None:
        self.is_alive = True
        self.restarts = 0

    def alive(self) -> bool:
        return self.is_alive

    def revive(self) -> None:
        self.is_alive = True
        self.restarts += 1


class FakeModel:
    """Answers as `answer` does, after comparing names and dtypes as TensorFlow Serving does."""

    name = "fake"
    version = 1

    def __init__(self, answer: Any, over_rest: Any, spec: SignatureSpec, *, compares: bool = True) -> None:
        self.server = FakeServer()
        self.signatures = {spec.name: spec}
        self.rest_url = None if over_rest is None else "http://fake"
        self.requests = 0
        self.states = [SimpleNamespace(state="AVAILABLE", version=1, message="")]
        self.calls: list[tuple[str, bytes]] = []
        self.grpc = SimpleNamespace(call=self._call)
        self.rest = SimpleNamespace(predict=self._rest)
        self._answers = {"grpc": answer, "rest": over_rest}
        self._spec = spec
        self._compares = compares

    def predict(self, inputs, *, signature, transport="grpc", timeout=None):
        assert signature == self._spec.name
        assert timeout
        self.requests += 1
        if self._compares:
            self._compare(inputs)
        return self._answers[transport](inputs)

    def classify(self, examples, *, signature, transport="grpc", timeout=None):
        assert signature == self._spec.name
        assert timeout
        return self._answers[transport](examples)

    regress = classify

    def status(self):
        return self.states

    def metadata(self):
        return SimpleNamespace(signatures=self.signatures)

    def logs(self):
        return "Check failed: it died"

    def _rest(self, _, inputs, *, signature, version, specs, form, timeout):
        assert (version, form, specs) == (1, "rows", self._spec)
        return self.predict(inputs, signature=signature, transport="rest", timeout=timeout)

    def _call(self, method, request, *, timeout):
        assert timeout
        self.calls.append((method, request))
        return b""

    def _compare(self, inputs):
        if set(inputs) - set(self._spec.inputs) or set(self._spec.inputs) - set(inputs) - self._spec.defaults:
            raise refusal(message="input size does not match signature")
        for name, value in inputs.items():
            if tensors.dtype(np.asarray(value).dtype).name != self._spec.inputs[name].dtype:
                raise refusal(message="Expects arg[0] to be another dtype")


def spec_of(signature: Signature, defaults: frozenset[str] = frozenset()) -> SignatureSpec:
    """The signature of a SavedModel that declares what a contract states."""

    def declared(stated):
        return {
            name: TensorSpec(
                name,
                tensor.dtype,
                None if tensor.shape is None else tuple(s if isinstance(s, int) else None for s in tensor.shape),
                f"{name}:0",
            )
            for name, tensor in stated.items()
        }

    return SignatureSpec(
        signature.name, signature.method, declared(signature.inputs), declared(signature.outputs), defaults
    )


def subject(answer: Any, signature: Signature, *, over_rest: Any = None, compares: bool = True, **more: Any) -> Subject:
    spec = more.pop("spec", None) or spec_of(signature)
    settings = Settings(**{"max_examples": 100, "seed": 1, "timeout": 5.0} | more.pop("settings", {}))
    model = FakeModel(answer, over_rest, spec, compares=compares)
    return Subject(model, signature, spec, settings, **more)


def outcome(name: str, answer: Any, signature: Signature, **more: Any) -> Outcome:
    """Judges a Python function by one check."""
    return run(checks()[name], subject(answer, signature, **more))
