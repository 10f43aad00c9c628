"""The yardstick of ``model_server.py``: `import tensorflow` and `tf.saved_model.load` behind a plain gRPC server.

python benchmarks/saved_model_server.py --build FOLDER     # the models that are measured
python benchmarks/saved_model_server.py PORT BASE_PATH...  # serve them, each by the name of its folder
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def build(folder: Path) -> None:
    def save(name: str, call: Any, shape: list[int | None], dtype: tf.DType) -> None:
        module = tf.Module()
        module.call = tf.function(call, input_signature=[tf.TensorSpec(shape, dtype, name="x")])
        tf.saved_model.save(module, str(folder / name / "1"), signatures={"serving_default": module.call})

    save("small", lambda x: {"y": 0.5 * x + 2.0}, [None, 3], tf.float32)
    save("image", lambda x: {"y": tf.reduce_mean(x, axis=[1, 2])}, [None, 224, 224, 3], tf.float32)
    save("strings", lambda x: {"y": tf.strings.lower(x)}, [None], tf.string)


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, as one writes it by hand."""

    def __init__(self, bases: list[Path]) -> None:
        self.models = {base.name: tf.saved_model.load(str(base / "1")) for base in bases}
        self.signatures = {name: model.signatures["serving_default"] for name, model in self.models.items()}

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Run `serving_default` on tensors."""
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        outputs = self.signatures[request.model_spec.name](**inputs)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


def main() -> None:
    if sys.argv[1] == "--build":
        build(Path(sys.argv[2]))
        return
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    service = Service([Path(argument) for argument in sys.argv[2:]])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
