import subprocess
import sys
import types
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from pytest_tfsig import protos

OURS_ALONE = {"grpc.health.v1", "google.protobuf"}
NOT_IN_THE_CLIENT_PACKAGE = {
    "tensorflow.serving.BatchingParameters",
    "tensorflow.serving.PrometheusConfig",
    "tensorflow.serving.MonitoringConfig",
    "tensorflow.serving.SSLConfig",
}
"""Configuration messages of the server's own, which tensorflow-serving-api does not ship."""


def our_files():
    descriptors = protos.FileDescriptorSet.FromString(protos._DESCRIPTORS.read_bytes())
    for file in descriptors.file:
        if file.package not in OURS_ALONE:
            yield protos.pool().FindFileByName(file.name)


def with_nested(message):
    yield message
    for nested in message.nested_types:
        yield from with_nested(nested)


MESSAGES = {
    message.full_name: message
    for file in our_files()
    for top in file.message_types_by_name.values()
    for message in with_nested(top)
}
ENUMS = {enum.full_name: enum for file in our_files() for enum in file.enum_types_by_name.values()} | {
    enum.full_name: enum for message in MESSAGES.values() for enum in message.enum_types
}
SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


@pytest.fixture(scope="module")
def official():
    """The descriptor pool of tensorflow-serving-api, without running the tensorflow package's own start."""
    if tuple(map(int, version("tensorflow-serving-api").split(".")[:2])) < (2, 21):
        pytest.skip("older messages of the model service import modules of TensorFlow that need all of it")
    package = types.ModuleType("tensorflow")
    package.__path__ = list(find_spec("tensorflow").submodule_search_locations)
    before = sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = package
    try:
        from google.protobuf import descriptor_pool
        from tensorflow.core.example import example_pb2  # noqa: F401 - registers its messages
        from tensorflow.core.protobuf import saved_model_pb2  # noqa: F401 - registers its messages
        from tensorflow_serving.apis import (  # noqa: F401 - registers their messages
            model_service_pb2,
            prediction_log_pb2,
            prediction_service_pb2,
        )
    finally:
        if before is None:
            del sys.modules["tensorflow"]
        else:
            sys.modules["tensorflow"] = before
    return descriptor_pool.Default()


def as_written(field):
    """A field as the wire and a generated class see it."""
    return (
        field.name,
        field.number,
        field.type,
        field.is_repeated,
        field.json_name,
        field.message_type and field.message_type.full_name,
        field.enum_type and field.enum_type.full_name,
        field.containing_oneof and field.containing_oneof.name,
    )


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - NOT_IN_THE_CLIENT_PACKAGE))
def test_every_field_is_the_official_one(name, official):
    theirs = official.FindMessageTypeByName(name).fields_by_name
    for field in MESSAGES[name].fields:
        assert as_written(field) == as_written(theirs[field.name])


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_every_enum_value_is_the_official_one(name, official):
    theirs = official.FindEnumTypeByName(name).values_by_name
    for value in ENUMS[name].values:
        assert value.number == theirs[value.name].number


@pytest.mark.parametrize("name", SERVICES)
def test_every_method_is_the_official_one(name, official):
    theirs = official.FindServiceByName(name).methods_by_name
    ours = protos.methods(name)
    assert set(ours) == set(theirs)
    for method in ours.values():
        assert method.input_type.full_name == theirs[method.name].input_type.full_name
        assert method.output_type.full_name == theirs[method.name].output_type.full_name


def test_unknown_fields_pass_through():
    foreign = protos.PredictRequest()
    foreign.model_spec.name = "digits"
    encoded = foreign.SerializeToString() + b"\x92\x3f\x03abc"
    assert protos.PredictRequest.FromString(encoded).SerializeToString() == encoded


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no message or enum 'PredictReqest'"):
        _ = protos.PredictReqest


def test_the_committed_descriptors_are_what_the_sources_say():
    pytest.importorskip("grpc_tools", reason="the dependency group `protos` is not installed")
    subprocess.run([sys.executable, "scripts/compile_protos.py", "--check"], check=True)
