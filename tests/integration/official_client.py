"""Asks a model server through the official tensorflow-serving-api, as users do; prints the answers as JSON."""

from __future__ import annotations

import json
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


def main(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        answers = ask(prediction_service_pb2_grpc.PredictionServiceStub(channel))
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "half_plus_two"
        rows = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status, timeout=60).model_version_status
    answers["status"] = [[row.version, get_model_status_pb2.ModelVersionStatus.State.Name(row.state)] for row in rows]
    sys.stdout.write(json.dumps(answers))


def ask(stub):
    answers = {}
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = "half_plus_two"
    predict.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0, 2.0, 5.0], shape=[3]))
    answers["predict"] = tf.make_ndarray(stub.Predict(predict, timeout=60).outputs["y"]).tolist()

    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = "text"
    predict.inputs["s"].CopyFrom(tf.make_tensor_proto(["a", "bc"]))
    outputs = stub.Predict(predict, timeout=60).outputs
    answers["text"] = [value.decode() for value in tf.make_ndarray(outputs["upper"])]

    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = "examples", "classify"
    example = classify.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.extend([1.0, 2.0, 3.0, 4.0])
    classes = stub.Classify(classify, timeout=60).result.classifications[0].classes
    answers["classify"] = [one.label for one in classes]

    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name, regress.model_spec.signature_name = "examples", "regress"
    regress.input.CopyFrom(classify.input)
    answers["regress"] = [one.value for one in stub.Regress(regress, timeout=60).result.regressions]

    multi = inference_pb2.MultiInferenceRequest()
    for name in ("classify", "regress"):
        task = multi.tasks.add(method_name=f"tensorflow/serving/{name}")
        task.model_spec.name, task.model_spec.signature_name = "examples", name
    multi.input.CopyFrom(classify.input)
    answers["multi"] = [result.WhichOneof("result") for result in stub.MultiInference(multi, timeout=60).results]

    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "text"
    packed = stub.GetModelMetadata(metadata, timeout=60).metadata["signature_def"]
    signatures = get_model_metadata_pb2.SignatureDefMap()
    packed.Unpack(signatures)
    answers["signatures"] = sorted(signatures.signature_def)

    predict.model_spec.name = "nobody"
    try:
        stub.Predict(predict, timeout=60)
    except grpc.RpcError as error:
        answers["error"] = [error.code().name, error.details()]
    return answers


if __name__ == "__main__":
    main(sys.argv[1])
