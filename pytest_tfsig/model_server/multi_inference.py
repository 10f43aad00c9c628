"""MultiInference: several classifications and regressions of one model on the same tf.Examples, in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_tfsig import protos
from pytest_tfsig.model_server import classify, examples, metrics, regress, wire
from pytest_tfsig.model_server.predict import CLASSIFY, DEFAULT_SIGNATURE, REGRESS, answered_spec
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from pytest_tfsig.model_server.servables import Servable, Serving

__all__ = ["multi_inference"]


def multi_inference(serving: Serving, request: Any) -> bytes:
    """Answer a MultiInferenceRequest with a serialised MultiInferenceResponse.

    Raises:
        StatusError: TensorFlow Serving's code and message.
    """
    spec = request.tasks[0].model_spec if request.tasks else protos.ModelSpec()
    with serving.get(spec) as servable:
        signatures, feeds, fetches = _plan(servable, request.tasks)
        strings = examples.serialized(request.input)
        outputs = examples.run(servable, feeds, strings, sorted(fetches))
    metrics.examples(servable.name, len(strings))
    results = []
    for task, signature in zip(request.tasks, signatures, strict=True):
        if task.method_name == CLASSIFY:
            result = wire.delimited(2, classify.serialized(classify.read(signature, len(strings), outputs)))
        else:
            result = wire.delimited(3, regress.serialized(regress.read(signature, len(strings), outputs)))
        spec = answered_spec(task.model_spec, servable.version)
        results.append(wire.delimited(1, wire.delimited(1, spec) + result))
    return b"".join(results)


def _plan(servable: Servable, tasks: Any) -> tuple[list[Any], set[str], set[str]]:
    """The tasks' signatures, and all tensors to feed and to fetch."""
    signatures: dict[str, Any] = {}
    feeds, fetches = set(), set()
    for task in tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if not task.model_spec.name:
            raise _invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise _invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        if name in signatures:
            raise _invalid(f"Duplicate evaluation of signature: {name}")
        signature = signatures[name] = servable.signatures.get(name)
        if signature is None:
            raise _invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name not in {CLASSIFY, REGRESS}:
            raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        feed, fetched = (classify if task.method_name == CLASSIFY else regress).plan(servable, signature)
        feeds.add(feed)
        fetches.update(fetched)
    return list(signatures.values()), feeds, fetches


def _invalid(message: str) -> StatusError:
    return StatusError(Code.INVALID_ARGUMENT, message)
