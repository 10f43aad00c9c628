"""TensorFlow's and TensorFlow Serving's messages, loaded into a private descriptor pool.

`protos.PredictRequest` is an ordinary protobuf message class; so is every other message and enum of the .proto files
beside this module, under its own short name. The pool is private: the official tensorflow-serving-api, which registers
the same full names in protobuf's default pool, may be imported beside it. What the .proto files leave out of a message
passes through as unknown fields. Attributes are resolved on first use, so importing this module costs little.
"""

from __future__ import annotations

import typing
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

_DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")
_PACKAGES = ("tensorflow", "tensorflow.serving", "tensorflow.error", "grpc.health.v1", "google.protobuf")


@cache
def pool() -> DescriptorPool:
    """Returns the private pool with every file of the descriptor set."""
    private = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file:
        private.AddSerializedFile(file.SerializeToString())
    return private


def message(full_name: str) -> typing.Any:
    """Returns the class of one message.

    Args:
        full_name: With its package, as in "tensorflow.serving.PredictRequest".

    Raises:
        KeyError: The .proto files define no such message.
    """
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


def methods(service: str) -> Mapping[str, MethodDescriptor]:
    """Returns a service's methods by name.

    Args:
        service: With its package, as in "tensorflow.serving.PredictionService".

    Raises:
        KeyError: The .proto files define no such service.
    """
    descriptor: ServiceDescriptor = pool().FindServiceByName(service)
    return dict(descriptor.methods_by_name)


def __getattr__(name: str) -> typing.Any:
    if not name.startswith("_"):
        for package in _PACKAGES:
            for find in (message, _enum):
                try:
                    found = find(f"{package}.{name}")
                except KeyError:
                    continue
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no message or enum {name!r}")


def _enum(full_name: str) -> EnumTypeWrapper:
    return EnumTypeWrapper(pool().FindEnumTypeByName(full_name))
