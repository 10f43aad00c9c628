"""Trains the five models on data that scikit-learn ships and exports them, ready to be served.

Run ``python train.py``. It writes ``models/NAME/1`` for every release, for some of them what it answers
(``models/NAME/recorded.tfrecord``), and ``models/candidates/NAME/digits/2``, next versions of the digits model of which
one may ship: the others are what contracts are there to stop.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Before TensorFlow is imported: its C++ start-up messages would bury the accuracies.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

MODELS = Path(__file__).parent / "models"
SEED = 7


def train_tumour() -> None:
    """Binary: ten measurements of a cell nucleus, in standard scores -> the probability that it is benign."""
    data = datasets.load_breast_cancer()
    means = StandardScaler().fit_transform(data.data[:, :10])
    measurements = keras.Input((10,), name="input")
    hidden = layers.Dense(16, activation="relu")(measurements)
    model = keras.Model(measurements, {"output": layers.Dense(1, activation="sigmoid")(hidden)})

    accuracy = fit(model, means, data.target, loss="binary_crossentropy", epochs=20)
    # An exported Keras model is served with the names of its inputs and of its dictionary of outputs.
    model.export(release("tumour"), verbose=False)
    report("tumour", f"accuracy {accuracy:.3f}")


def train_digits() -> None:
    """Multi-class: an 8 x 8 image of a digit, grey levels from 0 to 1 -> ten probabilities."""
    data = datasets.load_digits()
    image = keras.Input((8, 8), name="input")
    hidden = layers.Dense(64, activation="relu")(layers.Flatten()(image))
    model = keras.Model(image, {"probabilities": layers.Dense(10, activation="softmax")(hidden)})

    accuracy = fit(model, data.images / 16, data.target, epochs=20)
    model.export(release("digits"), verbose=False)
    report("digits", f"accuracy {accuracy:.3f}")

    accuracy = fit(model, data.images / 16, data.target, epochs=5)
    model.export(candidate("retrained"), verbose=False)
    probabilities = model.output["probabilities"]
    logits = keras.ops.log(probabilities + 1e-7)
    contrast = keras.ops.max(image, axis=[1, 2]) - keras.ops.min(image, axis=[1, 2])
    answers = {
        # Handy for debugging; but a second output changes the JSON of the first.
        "with_logits": {"probabilities": probabilities, "logits": logits},
        # Over the images of a request instead of over the classes: right for nobody, and of the right shape.
        "wrong_axis": {"probabilities": layers.Softmax(axis=0)(logits)},
        # The more contrast, the more certain; but a blank image has none, and something is divided by zero.
        "blank_is_nan": {"probabilities": layers.Softmax()(logits / contrast[:, None])},
    }
    for name, outputs in answers.items():
        keras.Model(image, outputs).export(candidate(name), verbose=False)
    save_the_wrong_way(model, Path(candidate("saved_wrongly")))


def save_the_wrong_way(model: keras.Model, path: Path) -> None:
    """Save a Keras 3 model with ``tf.saved_model.save``, as much code written for Keras 2 does.

    The variables are saved where the serving function does not look for them. The model loads, is reported
    AVAILABLE and answers in Python; once served, every request fails.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8], tf.float32, name="input")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(model(image))

    tf.saved_model.save(model, str(path), signatures=serve)


def train_rows() -> None:
    """Variable length: rows of a digit, not always all eight -> the probability that it is even."""
    data = datasets.load_digits()
    rows = keras.Input((None, 8), name="input")
    state = layers.LSTM(24)(rows)
    model = keras.Model(rows, {"output": layers.Dense(1, activation="sigmoid")(state)})

    images, even = data.images / 16, data.target % 2 == 0
    for length in (6, 7):
        fit(model, images[:, :length], even, loss="binary_crossentropy", epochs=8)
    accuracy = fit(model, images, even, loss="binary_crossentropy", epochs=12)
    model.export(release("rows"), verbose=False)
    report("rows", f"accuracy {accuracy:.3f} on all eight rows")


def train_wine() -> None:
    """Two signatures: 13 measurements, in standard scores -> a cultivar's probabilities, or an embedding."""
    data = datasets.load_wine()
    measurements = keras.Input((13,), name="input")
    embedding = layers.Dense(8, activation="tanh")(measurements)
    classifier = keras.Model(measurements, layers.Dense(3, activation="softmax")(embedding))
    encoder = keras.Model(measurements, embedding)
    accuracy = fit(classifier, StandardScaler().fit_transform(data.data), data.target, epochs=40)

    archive = keras.export.ExportArchive()
    archive.track(classifier)
    signature = [tf.TensorSpec([None, 13], tf.float32, name="input")]
    archive.add_endpoint("serving_default", lambda x: {"probabilities": classifier(x)}, signature)
    archive.add_endpoint("embed", lambda x: {"embedding": encoder(x)}, signature)
    archive.write_out(release("wine"), verbose=False)
    report("wine", f"accuracy {accuracy:.3f}")


def train_iris() -> None:
    """Classify and regress: tf.Examples of a flower -> scores of its species, or its petals' width in cm."""
    data = datasets.load_iris()
    lengths, petal_width = data.data[:, :3], data.data[:, 3]
    flower = keras.Input((3,), name="flower")
    hidden = layers.Dense(16, activation="relu")(flower)
    classifier = keras.Model(flower, layers.Dense(3, activation="softmax")(hidden))
    regressor = keras.Model(flower, layers.Dense(1)(layers.Dense(16, activation="relu")(flower)))
    accuracy = fit(classifier, lengths, data.target, epochs=60)
    fit(regressor, lengths, petal_width, loss="mse", epochs=60)
    error = np.abs(regressor.predict(lengths, verbose=0)[:, 0] - petal_width).mean()

    feature = tf.io.FixedLenFeature([], tf.float32)
    names = ("sepal_length", "sepal_width", "petal_length")
    species = tf.constant(data.target_names.tolist())

    def parse(examples: tf.Tensor) -> tf.Tensor:
        features = tf.io.parse_example(examples, dict.fromkeys(names, feature))
        return tf.stack([features[name] for name in names], axis=1)

    def classify(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = classifier(parse(examples))
        return {"classes": tf.broadcast_to(species, tf.shape(scores)), "scores": scores}

    def regress(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": regressor(parse(examples))[:, 0]}

    archive = keras.export.ExportArchive()
    archive.track(classifier)
    archive.track(regressor)
    signature = [tf.TensorSpec([None], tf.string, name="inputs")]
    archive.add_endpoint("serving_default", classify, signature)
    archive.add_endpoint("regress", regress, signature)
    path = release("iris")
    archive.write_out(path, verbose=False)

    # TensorFlow 2 writes every signature as "predict"; Classify and Regress requests need their own methods.
    methods = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(path)
    methods.replace_method_name("serving_default", tf.saved_model.CLASSIFY_METHOD_NAME)
    methods.replace_method_name("regress", tf.saved_model.REGRESS_METHOD_NAME)
    methods.save()
    report("iris", f"accuracy {accuracy:.3f}, petal width to {error:.2f} cm")


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    loss: str = "sparse_categorical_crossentropy",
    epochs: int,
) -> float:
    """Train on four fifths of the data and return the metric (accuracy) on the rest."""
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype("float32"), y.astype("float32"), test_size=0.2, random_state=SEED
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=32, epochs=epochs, verbose=0)
    return float(model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"])


def release(name: str) -> str:
    """Return an empty place for version 1 of a model."""
    return empty(MODELS / name / "1")


def candidate(name: str) -> str:
    """Return an empty place for a version 2 of the digits model that wants to be released."""
    return empty(MODELS / "candidates" / name / "digits" / "2")


def empty(path: Path) -> str:
    shutil.rmtree(path, ignore_errors=True)
    return str(path)


def record(name: str) -> None:
    """Record what a release answers to drawn requests, once: no statement about values tells a right answer from wrong.

    The contracts' check ``examples`` asks the same again.
    """
    recorded = MODELS / name / "recorded.tfrecord"
    command = [sys.executable, "-m", "pytest_tfsig.cli", "record", str(MODELS / name / "1"), str(recorded)]
    contract = Path(__file__).parent / "tests" / f"{name}.tfsig.toml"
    if contract.is_file():  # it says which inputs callers send
        command += ["--contract", str(contract)]
    subprocess.run([*command, "--server=embedded"], check=True)


def report(name: str, what: str) -> None:
    print(f"models/{name}/1".ljust(18), what, flush=True)


def main() -> None:
    # The same seed and deterministic ops: whoever trains gets the same models.
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    for train in (train_tumour, train_digits, train_rows, train_wine, train_iris):
        train()
    for name in ("tumour", "rows", "wine", "iris"):
        record(name)


if __name__ == "__main__":
    main()
