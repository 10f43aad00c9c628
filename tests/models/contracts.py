"""SavedModels that keep, or break, a small classifier's contract: what the plugin's own tests judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = [[0.5, -0.25, 1.0], [-1.0, 0.75, 0.25], [0.125, 0.5, -0.5], [1.0, -1.0, 0.0]]


def _save(directory: Path, answer: Callable[[Any, Any], Any], output: str = "probabilities") -> None:
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        return {output: answer(tf, tf.matmul(x, module.weights))}

    tf.saved_model.save(module, directory, signatures=serve)


def _softmax(tf: Any, logits: Any) -> Any:
    return tf.nn.softmax(logits)


def classifier(base: Path) -> None:
    """Version 1 keeps the contract; so does 2, with other weights' scale."""
    _save(base / "1", _softmax)
    _save(base / "2", lambda tf, logits: tf.nn.softmax(2 * logits))


def classifier_renamed(base: Path) -> None:
    _save(base / "1", _softmax, "scores")


def classifier_wrong_axis(base: Path) -> None:
    _save(base / "1", lambda tf, logits: tf.nn.softmax(logits, axis=0))


def classifier_nan(base: Path) -> None:
    """An all-zero row is divided by its own norm."""
    _save(base / "1", lambda tf, logits: logits / tf.norm(logits, axis=1, keepdims=True))


def classifier_aborts(base: Path) -> None:
    """Takes the server down for a row that answers with logits that sum to more than 1."""

    def answer(tf: Any, logits: Any) -> Any:
        def end() -> Any:
            with tf.control_dependencies([tf.raw_ops.Abort(error_msg="planted", exit_without_error=False)]):
                return tf.identity(logits)

        return tf.nn.softmax(tf.cond(tf.reduce_any(tf.reduce_sum(logits, axis=1) > 1.0), end, lambda: logits))

    _save(base / "1", answer)


def two_heads(base: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS)
    spec = tf.TensorSpec([None, 4], tf.float32, name="x")

    @tf.function(input_signature=[spec])
    def probabilities(x: Any) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(tf.matmul(x, module.weights))}

    @tf.function(input_signature=[spec])
    def logits(x: Any) -> dict[str, Any]:
        return {"logits": tf.matmul(x, module.weights)}

    tf.saved_model.save(module, base / "1", signatures={"serving_default": probabilities, "logits": logits})


MODELS: dict[str, Callable[[Path], None]] = {
    "classifier": classifier,
    "classifier_renamed": classifier_renamed,
    "classifier_wrong_axis": classifier_wrong_axis,
    "classifier_nan": classifier_nan,
    "classifier_aborts": classifier_aborts,
    "two_heads": two_heads,
}
