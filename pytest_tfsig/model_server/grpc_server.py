"""The gRPC API: PredictionService, ModelService and, behind its flag, the standard health service."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import grpc
from google.protobuf.message import DecodeError

from pytest_tfsig import protos
from pytest_tfsig.model_server import (
    classify,
    introspection,
    metrics,
    multi_inference,
    predict,
    predict_wire,
    regress,
)
from pytest_tfsig.model_server.engine import deadline
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_tfsig.model_server.manager import Manager

    _Answer: TypeAlias = Callable[[Any, grpc.ServicerContext], bytes]

__all__ = ["Server"]

logger = logging.getLogger(__name__)

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_LARGEST_MESSAGE: Final = (1 << 31) - 1
_LONGEST_DETAILS: Final = 1024  # bytes
_FOREVER: Final = 1e9  # seconds; gRPC hands a far future to a call without a deadline
_SPARE_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class _Call:
    """One method.

    Args:
        name: As the service has it.
        parse: Bytes -> request.
        answer: Request and context -> serialised response.
        api: Its name in metrics; None for a method that is not counted.
    """

    name: str
    parse: Callable[[bytes], Any]
    answer: _Answer
    api: str | None = None


def _answer(call: _Call, data: bytes, context: grpc.ServicerContext) -> bytes:
    started = time.perf_counter()
    try:
        request = call.parse(data)
    except DecodeError:
        # the real server's protobuf library says no more than that either
        raise StatusError(Code.INTERNAL, "") from None
    if call.api is None:
        return call.answer(request, context)
    model = request.model_spec.name
    code = Code.OK
    try:
        return call.answer(request, context)
    except StatusError as error:
        code = error.code
        raise
    finally:
        metrics.REGISTRY.request(model, call.api, "GRPC", code, time.perf_counter() - started)


def _details(message: str) -> bytes:
    """An error's text as TensorFlow Serving sends it over gRPC: cut short, and whether or not it is UTF-8."""
    details = message.encode("utf-8", "surrogateescape")
    return details if len(details) <= _LONGEST_DETAILS else details[:_LONGEST_DETAILS] + b"...TRUNCATED"


@final
class Server:
    """A gRPC server for a manager's servables.

    Args:
        manager: Whose servables answer.
        max_threads: Threads of the real server, one of which listens: of more requests at once the rest is refused.
        options: Channel arguments of gRPC's core.
        health: Whether grpc.health.v1 is served.
        packed: Predict answers with `tensor_content`.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        max_threads: int,
        options: Sequence[tuple[str, int | str]] = (),
        health: bool = False,
        packed: bool = False,
    ) -> None:
        self._manager = manager
        self._packed = packed
        self._limit = max_threads - 1
        self._active = 0
        self._counting = threading.Lock()
        self._server = grpc.server(
            ThreadPoolExecutor(max(1, max_threads) + _SPARE_THREADS, "grpc"),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
                ("grpc.max_send_message_length", -1),
                *options,
            ],
        )
        handlers = self._prediction_service() | self._model_service() | (_health_service() if health else {})
        self._server.add_generic_rpc_handlers((_Handlers(handlers),))

    def listen(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind an address; requests wait until `start`.

        Args:
            address: "host:port", port 0 for any that is free, or "unix:path".
            credentials: TLS; None for plain text.

        Returns:
            The port.

        Raises:
            StatusError: The address is in use or cannot be had.
        """
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as error:
            logger.error("Cannot listen on %s: %s", address, error)  # noqa: TRY400 - the message says it all
            raise StatusError(Code.INVALID_ARGUMENT, "Failed to BuildAndStart gRPC server") from None

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self, grace: float | None = None) -> None:
        """Refuse new requests, and cut off the running ones after `grace` seconds."""
        self._server.stop(grace).wait()

    def _prediction_service(self) -> dict[str, grpc.RpcMethodHandler]:
        manager = self._manager
        packed = self._packed

        def answer_predict(request: predict_wire.Request, _context: Any) -> bytes:
            return predict.answer(manager, request.message, request.contents, packed=packed)

        def answered(answer: Callable[[Any, Any], bytes]) -> _Answer:
            return lambda request, _context: answer(manager, request)

        def metadata(request: Any, _context: Any) -> bytes:
            return bytes(introspection.metadata(manager, request).SerializeToString())

        calls = (
            _Call("Predict", predict_wire.parse, answer_predict, "Predict"),
            _Call("Classify", protos.ClassificationRequest.FromString, answered(classify.classify), "Classify"),
            _Call("Regress", protos.RegressionRequest.FromString, answered(regress.regress), "Regress"),
            _Call("MultiInference", protos.MultiInferenceRequest.FromString, answered(multi_inference.multi_inference)),
            _Call("GetModelMetadata", protos.GetModelMetadataRequest.FromString, metadata),
        )
        return {f"/tensorflow.serving.PredictionService/{call.name}": self._handler(call) for call in calls}

    def _model_service(self) -> dict[str, grpc.RpcMethodHandler]:
        manager = self._manager

        def status(request: Any, _context: Any) -> bytes:
            return bytes(introspection.status(manager, request).SerializeToString())

        calls = (
            _Call("GetModelStatus", protos.GetModelStatusRequest.FromString, status),
            _Call("HandleReloadConfigRequest", protos.ReloadConfigRequest.FromString, self._reload),
        )
        return {f"/tensorflow.serving.ModelService/{call.name}": self._handler(call) for call in calls}

    def _reload(self, request: Any, context: grpc.ServicerContext) -> bytes:
        if request.config.WhichOneof("config") != "model_config_list":
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported",
            )
        self._manager.reload(request.config, context.is_active)
        response = protos.ReloadConfigResponse()
        response.status.SetInParent()
        return bytes(response.SerializeToString())

    def _handler(self, call: _Call) -> grpc.RpcMethodHandler:
        def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
            if not self._enter():
                logger.warning("%s refused: more than %s requests at once", call.name, self._limit)
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
            remaining = context.time_remaining()
            token = deadline.set(None if remaining is None or remaining > _FOREVER else time.monotonic() + remaining)
            try:
                return _answer(call, data, context)
            except StatusError as error:
                logger.warning("%s refused: %s", call.name, error)
                context.abort(_CODES[error.code], _details(error.message))
                raise
            except Exception as error:
                logger.exception("%s failed", call.name)
                context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
                raise
            finally:
                deadline.reset(token)
                self._leave()

        return grpc.unary_unary_rpc_method_handler(handle)

    def _enter(self) -> bool:
        with self._counting:
            if self._active >= self._limit:
                return False
            self._active += 1
            return True

    def _leave(self) -> None:
        with self._counting:
            self._active -= 1


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Finds a call's handler by its path."""

    def __init__(self, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
        self._handlers = handlers
        self._unknown = grpc.stream_stream_rpc_method_handler(_unimplemented)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handlers.get(handler_call_details.method, self._unknown)


def _unimplemented(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
    return iter(())


def _health_service() -> dict[str, grpc.RpcMethodHandler]:
    known = {"", "ModelService", "PredictionService"}
    serving = protos.HealthCheckResponse(status=protos.HealthCheckResponse.SERVING).SerializeToString()
    unknown = protos.HealthCheckResponse(status=protos.HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()

    def check(request: Any, context: grpc.ServicerContext) -> bytes:
        if request.service not in known:
            context.abort(grpc.StatusCode.NOT_FOUND, "service name unknown")
        return bytes(serving)

    def watch(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        ended = threading.Event()
        context.add_callback(ended.set)
        yield serving if request.service in known else unknown
        ended.wait()

    parse = protos.HealthCheckRequest.FromString
    return {
        "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(check, request_deserializer=parse),
        "/grpc.health.v1.Health/Watch": grpc.unary_stream_rpc_method_handler(watch, request_deserializer=parse),
    }
