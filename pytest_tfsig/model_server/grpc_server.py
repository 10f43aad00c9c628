"""The gRPC API: PredictionService, ModelService and, behind its flag, the standard health service."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import grpc
from google.protobuf.message import DecodeError

from pytest_tfsig import protos
from pytest_tfsig.model_server import inference, introspection, metrics, predict
from pytest_tfsig.model_server.engine import deadline
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_tfsig.model_server.manager import Manager

    Method: TypeAlias = Callable[[Any, grpc.ServicerContext], bytes]

__all__ = ["Server"]

logger = logging.getLogger(__name__)

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_LARGEST_MESSAGE: Final = (1 << 31) - 1
_FOREVER: Final = 1e9  # seconds; gRPC hands a far future to a call without a deadline
_SPARE_THREADS: Final = 2


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
        calls: dict[str, tuple[Any, Callable[[Any], bytes], str | None]] = {
            "Predict": (
                protos.PredictRequest,
                lambda request: predict.answer(manager, request, packed=self._packed),
                "Predict",
            ),
            "Classify": (
                protos.ClassificationRequest,
                lambda request: inference.classify(manager, request).SerializeToString(),
                "Classify",
            ),
            "Regress": (
                protos.RegressionRequest,
                lambda request: inference.regress(manager, request).SerializeToString(),
                "Regress",
            ),
            "MultiInference": (
                protos.MultiInferenceRequest,
                lambda request: inference.multi_inference(manager, request).SerializeToString(),
                None,
            ),
            "GetModelMetadata": (
                protos.GetModelMetadataRequest,
                lambda request: introspection.metadata(manager, request).SerializeToString(),
                None,
            ),
        }
        return {
            f"/tensorflow.serving.PredictionService/{name}": self._unary(name, message, call, metric)
            for name, (message, call, metric) in calls.items()
        }

    def _model_service(self) -> dict[str, grpc.RpcMethodHandler]:
        manager = self._manager

        def status(request: Any) -> bytes:
            return bytes(introspection.status(manager, request).SerializeToString())

        return {
            "/tensorflow.serving.ModelService/GetModelStatus": self._unary(
                "GetModelStatus", protos.GetModelStatusRequest, status
            ),
            "/tensorflow.serving.ModelService/HandleReloadConfigRequest": self._unary(
                "HandleReloadConfigRequest", protos.ReloadConfigRequest, self._reload
            ),
        }

    def _reload(self, request: Any) -> bytes:
        if request.config.WhichOneof("config") != "model_config_list":
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported",
            )
        self._manager.reload(request.config)
        response = protos.ReloadConfigResponse()
        response.status.SetInParent()
        return bytes(response.SerializeToString())

    def _unary(
        self, name: str, message: Any, call: Callable[[Any], bytes], metric: str | None = None
    ) -> grpc.RpcMethodHandler:
        parse = message.FromString

        def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
            if not self._enter():
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
            started = time.perf_counter()
            remaining = context.time_remaining()
            token = deadline.set(None if remaining is None or remaining > _FOREVER else time.monotonic() + remaining)
            model = ""
            try:
                request = parse(data)
                if metric:
                    model = request.model_spec.name
                response = call(request)
            except DecodeError:
                logger.warning("%s refused: %s bytes that are no %s", name, len(data), message.DESCRIPTOR.name)
                context.abort(grpc.StatusCode.INTERNAL, "")
            except StatusError as error:
                logger.warning("%s refused: %s", name, error)
                if metric:
                    took = time.perf_counter() - started
                    metrics.REGISTRY.request(model, metric, "GRPC", error.code, took)
                context.abort(_CODES[error.code], error.message)
            except Exception as error:
                logger.exception("%s failed", name)
                context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
            finally:
                deadline.reset(token)
                self._leave()
            if metric:
                took = time.perf_counter() - started
                metrics.REGISTRY.request(model, metric, "GRPC", Code.OK, took)
            return response

        return grpc.unary_unary_rpc_method_handler(answer)

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
