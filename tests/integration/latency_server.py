"""A gRPC server of TensorFlow Serving's Predict whose delays are drawn from a known distribution."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from pytest_tfsig import protos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREDICT = "/tensorflow.serving.PredictionService/Predict"


class Delays:
    """Hands every request the next delay in seconds; None makes it fail with UNAVAILABLE."""

    def __init__(self, delays: Iterator[float | None]) -> None:
        self._delays = delays
        self._lock = threading.Lock()

    def change(self, delays: Iterator[float | None]) -> None:
        """Draw the delays from elsewhere from now on."""
        with self._lock:
            self._delays = delays

    def predict(self, request: protos.PredictRequest, context: grpc.ServicerContext) -> protos.PredictResponse:
        """Answer after the next delay with the model that was asked for."""
        with self._lock:
            delay = next(self._delays)
        if delay is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "injected")
        if delay:
            time.sleep(delay)
        response = protos.PredictResponse()
        response.model_spec.name = request.model_spec.name
        return response


@contextmanager
def serving(delays: Delays, workers: int = 8) -> Iterator[Callable[[object], None]]:
    """Run the server on loopback; give a sender of one Predict request."""
    server = grpc.server(ThreadPoolExecutor(workers))
    handler = grpc.unary_unary_rpc_method_handler(
        delays.predict,
        request_deserializer=protos.PredictRequest.FromString,
        response_serializer=protos.PredictResponse.SerializeToString,
    )
    service, method = PREDICT.strip("/").split("/")
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(
                PREDICT,
                request_serializer=protos.PredictRequest.SerializeToString,
                response_deserializer=protos.PredictResponse.FromString,
            )

            def send(inputs: object) -> None:
                request = protos.PredictRequest()
                request.model_spec.name = f"model_{inputs}"
                answer = call(request, timeout=10, wait_for_ready=True)
                assert answer.model_spec.name == request.model_spec.name

            yield send
    finally:
        server.stop(grace=None).wait()


def steady(seconds: float | None) -> Iterator[float | None]:
    """Yield the same delay for ever."""
    return itertools.repeat(seconds)
