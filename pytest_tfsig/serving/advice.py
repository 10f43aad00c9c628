"""Advice: what to do about a failure to load or to run whose cause is known."""

from __future__ import annotations

__all__ = ["advice_for"]

_CAUSES = (
    (
        "Could not find variable",
        (
            "The SavedModel was written with tf.saved_model.save(keras_model), which leaves Keras 3's variables out of "
            "what is served: write it with model.export(PATH) or keras.export.ExportArchive."
        ),
    ),
    (
        "Op type not registered",
        (
            "The model uses a custom op that this server does not have: give the op's library to the embedded "
            "server, or use a server image that was built with it."
        ),
    ),
    (
        "not found in signature",
        (
            "The warmup file calls a signature that the SavedModel does not have: record it again, or delete "
            "assets.extra/tf_serving_warmup_requests."
        ),
    ),
    (
        "Serving signature key",
        (
            "A request, often one of the warmup file, calls a signature that the SavedModel does not have: name one "
            "that it has, or record assets.extra/tf_serving_warmup_requests again."
        ),
    ),
    (
        "No versions of servable",
        "The server looks for numeric directories: NAME/1/saved_model.pb.",
    ),
    (
        "Could not find meta graph def matching supplied tags",
        (
            'The SavedModel has no graph with the tag "serve": export it for serving, or start the server with '
            "--saved_model_tags."
        ),
    ),
    (
        "Could not find SavedModel",
        "The version directory has no saved_model.pb: name the directory that holds it.",
    ),
    (
        "Read less bytes than requested",
        "A file of the SavedModel is shorter than it should be: copy the model again.",
    ),
    (
        "Data loss",
        "A file of the SavedModel is damaged: copy the model again.",
    ),
    (
        "NodeDef mentions attr",
        "The model was written by a newer TensorFlow than the one that serves it: use a newer server.",
    ),
)


def advice_for(text: str) -> str | None:
    """Return what to do about the first known cause that a log or an error message names; None if there is none."""
    return next((advice for needle, advice in _CAUSES if needle in text), None)
