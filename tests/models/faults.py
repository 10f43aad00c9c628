"""SavedModels that do to their server what no contract can foresee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _save(base: Path, answer: Callable[[Any, Any], Any]) -> None:
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def serve(x: Any) -> dict[str, Any]:
        return {"y": answer(tf, x)}

    tf.saved_model.save(module, base / "1", signatures=serve)


def hangs(base: Path) -> None:
    """Counts for years where a cell is above 100."""

    def answer(tf: Any, x: Any) -> Any:
        end = tf.where(tf.reduce_max(x) > 100.0, tf.constant(1e300, tf.float64), tf.constant(0.0, tf.float64))
        turns = tf.while_loop(lambda turn: turn < end, lambda turn: (turn + 1.0,), [tf.constant(0.0, tf.float64)])
        return x + tf.cast(0.0 * turns[0], tf.float32)

    _save(base, answer)


def greedy(base: Path) -> None:
    """Makes a number for each of as many cells as the first one says, in thousands of millions."""

    def answer(tf: Any, x: Any) -> Any:
        cells = tf.cast(x[0, 0], tf.int64) * 1_000_000_000
        return x + tf.reduce_max(tf.random.stateless_uniform(tf.reshape(cells + 1, [1]), [1, 2]))

    _save(base, answer)


MODELS: dict[str, Callable[[Path], None]] = {"hangs": hangs, "greedy": greedy}
