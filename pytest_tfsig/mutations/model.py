"""A served model behind a tap: everything that checks can ask of a model is answered through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig.mutations.wire import rewritten, understood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_tfsig.clients import VersionStatus
    from pytest_tfsig.mutations.mutation import Outputs
    from pytest_tfsig.mutations.tap import Tap
    from pytest_tfsig.serving import ServedModel

_DEFAULT = "serving_default"


class TappedModel:
    """A ServedModel whose answers for one signature come through a tap; its other signatures answer as they are.

    Args:
        model: Who answers. It is asked over its own connections, and never changed.
        signature: The signature's name.
        tap: Where its answers pass through.
    """

    def __init__(self, model: ServedModel, signature: str, tap: Tap) -> None:
        self._model = model
        self._through = _Through(signature, tap)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def grpc(self) -> _TappedClient:
        """The gRPC client, behind the tap."""
        return _TappedClient(self._model.grpc, self._through, "grpc")

    @property
    def rest(self) -> _TappedClient:
        """The REST client, behind the tap."""
        return _TappedClient(self._model.rest, self._through, "rest")

    def predict(
        self, inputs: Mapping[str, Any], signature: str = _DEFAULT, *, transport: Any = "grpc", **options: Any
    ) -> Outputs:
        """Calls a predict signature; see ServedModel."""
        call = {"signature": signature, "transport": transport, **options}
        return self._through(signature, inputs, transport, lambda: self._model.predict(inputs, **call))

    def classify(
        self, examples: Iterable[Any], signature: str = _DEFAULT, *, transport: Any = "grpc", **options: Any
    ) -> Outputs:
        """Calls a classify signature; see ServedModel."""
        given, call = list(examples), {"signature": signature, "transport": transport, **options}
        return self._through(signature, {"examples": given}, transport, lambda: self._model.classify(given, **call))

    def regress(
        self, examples: Iterable[Any], signature: str = _DEFAULT, *, transport: Any = "grpc", **options: Any
    ) -> Outputs:
        """Calls a regress signature; see ServedModel."""
        given, call = list(examples), {"signature": signature, "transport": transport, **options}
        return self._through(signature, {"examples": given}, transport, lambda: self._model.regress(given, **call))

    def status(self, **options: Any) -> list[VersionStatus]:
        """Returns the states of the model's versions; see ServedModel."""
        return self._through.tap.states(self._model.status(**options))


class _Through:
    """Sends a call through a tap, if it is for the signature that is tapped."""

    def __init__(self, signature: str, tap: Tap) -> None:
        self.signature = signature
        self.tap = tap

    def __call__(
        self, signature: str, inputs: Mapping[str, Any], transport: str, proceed: Callable[[], Outputs]
    ) -> Outputs:
        if signature != self.signature:
            return proceed()
        return self.tap.answer(inputs, transport, proceed)


class _TappedClient:
    """A client whose answers come through a tap."""

    def __init__(self, client: Any, through: _Through, transport: str) -> None:
        self._client = client
        self._through = through
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def predict(self, name: str, inputs: Mapping[str, Any], *, signature: str = _DEFAULT, **options: Any) -> Outputs:
        call = {"signature": signature, **options}
        return self._through(signature, inputs, self._transport, lambda: self._client.predict(name, inputs, **call))

    def classify(self, name: str, examples: Iterable[Any], *, signature: str = _DEFAULT, **options: Any) -> Outputs:
        given, call = list(examples), {"signature": signature, **options}
        return self._through(
            signature, {"examples": given}, self._transport, lambda: self._client.classify(name, given, **call)
        )

    def regress(self, name: str, examples: Iterable[Any], *, signature: str = _DEFAULT, **options: Any) -> Outputs:
        given, call = list(examples), {"signature": signature, **options}
        return self._through(
            signature, {"examples": given}, self._transport, lambda: self._client.regress(name, given, **call)
        )

    def status(self, name: str, **options: Any) -> list[VersionStatus]:
        return self._through.tap.states(self._client.status(name, **options))

    def call(self, method: str, request: bytes, **options: Any) -> bytes:
        """Sends a request that is bytes already, as recorded ones are."""
        exchange = understood(method, request)
        if exchange is None:
            answer: bytes = self._client.call(method, request, **options)
            return answer

        response = b""

        def proceed() -> Outputs:
            nonlocal response
            response = self._client.call(method, request, **options)
            return exchange.answered(response).outputs()

        [signature] = exchange.signatures
        outputs = self._through(signature, exchange.inputs(), self._transport, proceed)
        return rewritten(exchange, response, outputs)
