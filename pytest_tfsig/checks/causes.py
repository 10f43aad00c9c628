"""Known causes: what to do when a server's words or a violation show a well-known mistake."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_tfsig.serving.advice import advice_for


@dataclass(frozen=True, slots=True)
class Cause:
    """A mistake that is known by its traces.

    Attributes:
        name: Stable, for documentation.
        traces: What appears in a server's message or a violation's text.
        advice: What to do about it.
    """

    name: str
    traces: re.Pattern[str]
    advice: str


def _cause(name: str, traces: str, advice: str) -> Cause:
    return Cause(name, re.compile(traces, re.IGNORECASE | re.DOTALL), advice)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "keras-saved-without-export",
        r"Could not find variable|could not find resource|has been deleted",
        "The SavedModel was written with tf.saved_model.save(keras_model) or model.save: Keras 3 leaves its variables "
        "out of what TensorFlow Serving restores (tensorflow/serving #2226). Write it with model.export(path) or with "
        "keras.export.ExportArchive, and judge the export again.",
    ),
    _cause(
        "fixed-batch-reshape",
        r"Input to reshape is a tensor with \d+ values",
        "The graph reshapes to a size fixed when it was traced, so only that batch size can be answered. Reshape with "
        "-1 (or tf.shape(x)[0]) for the batch, and trace with an input whose batch is None.",
    ),
    _cause(
        "missing-op",
        r"Op type not registered|No OpKernel was registered",
        "The server lacks an op of the graph. Serve with an image that has it built in, or give the embedded server "
        "the library: --tfsig-op-library PATH-or-package (tensorflow_text, say).",
    ),
    _cause(
        "uninitialized-table",
        r"Table not initialized|table was not initialized",
        "A vocabulary table is not initialised when the SavedModel is loaded: keep the table in an attribute of the "
        "exported tf.Module (or in the Keras layer) so that its initialiser and its file are saved with it.",
    ),
    _cause(
        "missing-asset",
        r"\.(txt|vocab|csv).*No such file or directory|No such file or directory.*assets",
        "A file that the graph reads is not in the SavedModel: wrap its path in tf.saved_model.Asset before exporting.",
    ),
    _cause(
        "python-function",
        r"pyfunc|py_function|PyFunc",
        "The graph calls Python (tf.py_function or tf.numpy_function), which no server has. Rewrite that step in "
        "TensorFlow ops, or do it in the client.",
    ),
    _cause(
        "input-names",
        r"input size does not match signature|Sent extra|Missing but required|does not have named input",
        "The input names of the served signature are not those of the request. `tfsig show` lists the served names; "
        "give an exported model its names through the input_signature's tf.TensorSpec(name=...).",
    ),
    _cause(
        "credentials",
        r"(gRPC|REST) (UNAUTHENTICATED|PERMISSION_DENIED)",
        "The server wants credentials: set TFSIG_BEARER_TOKEN, TFSIG_GRPC_METADATA, or TFSIG_CA with TFSIG_CLIENT_CERT "
        "and TFSIG_CLIENT_KEY.",
    ),
    _cause(
        "signature-name",
        r"Serving signature (name|key)|No signature was found with the name",
        "The signature is not served under that name. `tfsig show` lists the served ones; TensorFlow Serving uses "
        "serving_default where a request names none.",
    ),
    _cause(
        "dtype",
        r"Expects arg\[\d+\] to be (\w+) but (\w+) is provided",
        "The request's dtype is not the signature's. numpy makes float64 and int64 by default: state the dtype when "
        "the array is built.",
    ),
    _cause(
        "batch-size-limit",
        r"is larger than maximum input batch size",
        "The server's batching refuses requests of more rows than max_batch_size: bound the contract's batch with "
        "dims = { batch = [1, N] }, or raise max_batch_size in the batching parameters file.",
    ),
    _cause(
        "thread-limit",
        r"Server Threadpool Exhausted|RESOURCE_EXHAUSTED",
        "The server answers only as many requests at once as --grpc_max_threads allows (default 4 per CPU): raise it, "
        "or have callers retry with backoff.",
    ),
    _cause(
        "inconsistent-batch",
        r"inconsistent batch size|has inconsistent batch",
        "Row form of the REST API needs one leading dimension for all outputs. Use the columnar form ('inputs') or "
        "return only batched outputs from this signature.",
    ),
    _cause(
        "half-over-rest",
        r"Conversion of JSON Value: .* to type: (half|bfloat16|complex\w+|uint16)",
        "REST cannot carry this dtype (tensorflow/serving #1639). Cast to float32 inside the signature, or call it "
        "over gRPC only.",
    ),
    _cause(
        "base64-in-the-graph",
        r"Invalid character found in base64",
        "The graph decodes base64 of its own, and was sent other text: state values = [...] or a strategy of this "
        "input in the contract. REST and gRPC carry bytes as they are: a model need not decode base64 at all.",
    ),
    _cause(
        "base64",
        r"b64|base64|Unable to (decode|base64)",
        'REST carries bytes as {"b64": "..."}; an output is written that way only when its name ends in _bytes '
        "(tensorflow/serving #1141).",
    ),
    _cause(
        "example-dtype",
        r"Data types don't match\. Data type: int64 but expected type: float",
        'In REST examples {"x": [1, 2]} is an int64 list and does not feed a float feature: write [1.0, 2.0].',
    ),
    _cause(
        "missing-feature",
        r"Feature: \w+ \(data type: \w+\) is required but could not be found",
        "The graph's parse spec gives this feature no default, so every example must carry it: add a default_value to "
        "its tf.io.FixedLenFeature if callers may leave it out.",
    ),
    _cause(
        "index-past-a-table",
        r"indices\S* = -?\d+ is not in \[0, \d+\)",
        "An id lies outside a table: an embedding, a vocabulary. Let the model map what it does not know to a row of "
        "its own; or, if callers never send such ids, bound the input in the contract (min = 0, max = N - 1), and "
        "where words become ids, list them (values = [...]).",
    ),
    _cause(
        "not-an-image",
        r"Unknown image file format|Input is empty\.|Invalid PNG|Invalid JPEG",
        'The model decodes images and was sent other bytes. Say image = "png" or "jpeg" of this input in the contract, '
        "and images are sent.",
    ),
    _cause(
        "not-a-number",
        r"StringToNumberOp could not correctly convert",
        "The model reads numbers from text and was sent other text. State values = [...] or a strategy of this input "
        "in the contract, or let the model answer for text that is no number.",
    ),
    _cause(
        "label",
        r"Unrecognized servable version label",
        "No version has that label. A label can be set on a loaded version only, unless the server runs with "
        "--allow_version_labels_for_unavailable_models (tensorflow/serving #1555).",
    ),
    _cause(
        "version-not-there",
        r"Servable not found for request",
        "The server has no such model or version. Base paths hold numeric directories, and the newest is served.",
    ),
    _cause(
        "warmup",
        # A server's log mentions warmup in good times too.
        r"parse warmup record|warmup records exceeds|verify your warmup data|log_type for warmup|Serving signature key",
        "The warmup file names a signature or an input that this version does not have: write it again with "
        "`tfsig warmup` for this version, or remove assets.extra/tf_serving_warmup_requests.",
    ),
    _cause(
        "memory",
        r"OOM when allocating|out of memory|std::bad_alloc|SIGKILL",
        "The model needs more memory than the server has. Bound the contract's dims to the sizes that callers send, "
        "or give the server more memory.",
    ),
    _cause(
        "newer-tensorflow",
        r"NodeDef mentions attr|not in Op<|Converting GraphDef to Graph has failed",
        "The SavedModel was written by a newer TensorFlow than the server's. Serve it with an image of at least that "
        "version (--tfsig-image), or export it with the server's version.",
    ),
)
"""In the order in which they are tried: the first whose traces appear is the one that is told."""


def advice(text: str) -> str:
    """Returns what to do about a server's message or a violation, "" where its cause is not known."""
    for cause in CAUSES:
        if cause.traces.search(text):
            return cause.advice
    return advice_for(text) or ""
