"""A SavedModel for every signature of the compatibility table: it takes and answers exactly what it declares.

Dimensions that a signature leaves open in its outputs are the batch's, or 5; text is "a", numbers are 0. Inputs of
another shape than declared are refused by the graph, as a real model's first operation refuses them.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.compatibility_pairs import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec

OPEN_SIZE = 5


def name_of(spec: SignatureSpec) -> str:
    """The name of the model that has this signature: another one for every other signature."""
    return f"signature_{hashlib.sha256(repr(spec).encode()).hexdigest()[:12]}"


def _build(spec: SignatureSpec, base: Path) -> None:
    import tensorflow as tf

    @tf.function
    def serve(**inputs: Any) -> dict[str, Any]:
        # A zero that no optimisation knows, so that what depends on it keeps its open shape.
        zero = tf.random.uniform((), maxval=1, dtype=tf.int32)
        checks, batch = [], zero + 1
        for name, value in inputs.items():
            checks.append(
                tf.debugging.assert_equal(_shape(tf, value, zero), _wanted(tf, spec.inputs[name].shape, value))
            )
            if value.shape.rank is None or value.shape.rank > 0:
                batch = tf.shape(value)[0] + zero
            features = spec.inputs[name].features
            if features:
                checks += _parsed(tf, value, features)
        with tf.control_dependencies(checks):
            return {
                name: _output(tf, of.dtype, of.shape, tf.identity(batch), zero) for name, of in spec.outputs.items()
            }

    specs = {name: tf.TensorSpec(of.shape, of.dtype, name) for name, of in spec.inputs.items()}
    module = tf.Module()
    tf.saved_model.save(module, base / "1", signatures={"s": serve.get_concrete_function(**specs)})
    _declare(spec, base / "1" / "saved_model.pb")


def _shape(tf: Any, value: Any, zero: Any) -> Any:
    """The shape at run time, out of sight of the optimiser, which believes what the signature declares."""
    return tf.shape(tf.raw_ops.PlaceholderWithDefault(input=value, shape=None)) + zero


def _wanted(tf: Any, shape: Any, value: Any) -> Any:
    actual = tf.shape(tf.raw_ops.PlaceholderWithDefault(input=value, shape=None))
    if shape is None:
        return actual
    sizes = [actual[axis] if size is None else size for axis, size in enumerate(shape)]
    return tf.stack(sizes) if sizes else tf.zeros([0], tf.int32)


def _parsed(tf: Any, serialized: Any, features: dict[str, FeatureSpec]) -> list[Any]:
    wanted = {
        name: tf.io.VarLenFeature(of.dtype)
        if of.kind == "variable"
        else tf.io.FixedLenFeature(of.shape, of.dtype, of.default)
        for name, of in features.items()
    }
    found = tf.io.parse_example(serialized, wanted)
    dense = [value.values if isinstance(value, tf.SparseTensor) else value for value in found.values()]
    # What nothing depends on, the optimiser leaves out; an assertion stays.
    return [tf.debugging.assert_less(tf.reduce_max(tf.cast(value, tf.float32)), 1e30) for value in dense]


def _output(tf: Any, dtype: str, shape: Any, batch: Any, zero: Any) -> Any:
    kind = tf.as_dtype(dtype)
    value = tf.constant("a") if kind == tf.string else tf.zeros((), kind)
    if shape is None:
        return tf.fill(tf.boolean_mask([1, 1, 1], tf.fill([3 + zero], True)) * batch, value)
    sizes = [
        (batch if axis == 0 else zero + OPEN_SIZE) if size is None else tf.constant(size)
        for axis, size in enumerate(shape)
    ]
    return tf.fill(tf.stack(sizes), value) if sizes else tf.identity(value)


def _declare(spec: SignatureSpec, file: Path) -> None:
    """Writes what Python cannot say into the SavedModel: the method, and inputs that may be left out."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    definition = saved.meta_graphs[0].signature_def["s"]
    definition.method_name = f"tensorflow/serving/{spec.method}"
    for name in spec.defaults:
        size = [1 if size is None else size for size in spec.inputs[name].shape]
        definition.defaults[name].CopyFrom(tf.make_tensor_proto(tf.zeros(size, spec.inputs[name].dtype).numpy()))
    file.write_bytes(saved.SerializeToString())


MODELS: dict[str, Callable[[Path], None]] = {name_of(spec): partial(_build, spec) for spec in SERVED}
