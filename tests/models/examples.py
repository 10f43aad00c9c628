"""SavedModels whose signatures take tf.Examples and have the classic outputs of classify and regress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def classic(base: Path) -> None:
    """A regression of shape [batch, 1], and classifications of which one has only scores and one only classes."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    module = tf.Module()
    module.weights = tf.Variable([[0.5, -0.25, 1.0], [-1.0, 0.75, 0.25]])
    examples = tf.TensorSpec([None], tf.string, name="inputs")

    def logits(inputs: Any) -> Any:
        parsed = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([2], tf.float32)})
        return tf.matmul(parsed["x"], module.weights)

    @tf.function(input_signature=[examples])
    def regress(inputs: Any) -> dict[str, Any]:
        return {"outputs": logits(inputs)[:, :1]}

    @tf.function(input_signature=[examples])
    def scores(inputs: Any) -> dict[str, Any]:
        return {"scores": tf.nn.softmax(logits(inputs))}

    @tf.function(input_signature=[examples])
    def classes(inputs: Any) -> dict[str, Any]:
        best = tf.argmax(logits(inputs), axis=1)
        return {"classes": tf.gather(tf.constant([b"a", b"b", b"c"]), best)[:, tf.newaxis]}

    tf.saved_model.save(module, base / "1", signatures={"regress": regress, "scores": scores, "classes": classes})
    # tf.saved_model.save calls every method predict.
    file = base / "1" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for name, method in (("regress", "regress"), ("scores", "classify"), ("classes", "classify")):
        saved.meta_graphs[0].signature_def[name].method_name = f"tensorflow/serving/{method}"
    file.write_bytes(saved.SerializeToString())


MODELS: dict[str, Callable[[Path], None]] = {"classic": classic}
