"""The compatibility of signatures: which are there, their methods, and their tensors by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_tfsig.contract.comparison import tensor_text
from pytest_tfsig.contract.compatibility.features import compare_features
from pytest_tfsig.contract.compatibility.rules import (
    ALL_WIRES,
    COLUMNAR,
    GRPC,
    REST,
    ROW,
    Finding,
    Level,
    Report,
    Wire,
)
from pytest_tfsig.contract.compatibility.tensors import NO_JSON, compare_dtype, compare_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_tfsig.savedmodel import SignatureSpec

_BYTES: Final = "_bytes"
_ORDER: Final = list(Level)


def compatibility(old: Mapping[str, SignatureSpec], new: Mapping[str, SignatureSpec]) -> list[Finding]:
    """Return what changes for callers of ``old`` once ``new`` answers them, the worst first.

    Inputs may widen and outputs may narrow. A finding names only callers that can exist: nobody reads a
    half-precision output over REST, so nothing breaks for them there.

    Args:
        old: The signatures that callers were written for.
        new: The signatures that will answer them.
    """
    findings: list[Finding] = []
    for name, spec in old.items():
        report = Report(name, _callers_of(spec))
        if name in new:
            _compare(report, spec, new[name])
        else:
            report.add("signature-removed", "signature", "", f'the signature "{name}" is gone.')
        findings.extend(report.findings)
    for name in new.keys() - old.keys():
        report = Report(name)
        report.add("signature-added", "signature", "", f'the signature "{name}" is new.')
        findings.extend(report.findings)
    return sorted(findings, key=lambda finding: (_ORDER.index(finding.level), finding.signature, finding.rule))


def _callers_of(spec: SignatureSpec) -> tuple[Wire, ...]:
    """Return the wires on which a signature can be called at all."""
    if any(tensor.dtype in NO_JSON for tensor in (*spec.inputs.values(), *spec.outputs.values())):
        return GRPC
    if spec.method != "predict":
        return (*GRPC, *ROW)  # Classify and Regress take a list of examples, the form of rows.
    return ALL_WIRES if _has_rows(spec) else (*GRPC, *COLUMNAR)


def _has_rows(spec: SignatureSpec) -> bool:
    """Tell whether all outputs can share a leading dimension, which REST rows need."""
    shapes = [tensor.shape for tensor in spec.outputs.values() if tensor.shape is not None]
    return all(shapes) and len({shape[0] for shape in shapes} - {None}) <= 1


def _compare(report: Report, old: SignatureSpec, new: SignatureSpec) -> None:
    if old.method != new.method:
        rule = "method-repurposed" if old.method == "predict" else "method-changed"
        report.add(rule, "method", "", f"the method was {old.method} and is {new.method}.")
    _compare_inputs(report, old, new)
    _compare_outputs(report, old, new)
    for name in sorted(old.inputs.keys() & new.inputs.keys()):
        compare_features(report, old.inputs[name].features, new.inputs[name].features)


def _compare_inputs(report: Report, old: SignatureSpec, new: SignatureSpec) -> None:
    gone, added = sorted(old.inputs.keys() - new.inputs.keys()), sorted(new.inputs.keys() - old.inputs.keys())
    if len(old.inputs) == len(new.inputs) == len(gone) == 1:
        before, after = old.inputs[gone[0]], new.inputs[added[0]]
        message = f'the input "{before.name}" is called "{after.name}" now; bare values over REST are still understood.'
        report.add("input-renamed", "input", before.name, message)
        compare_dtype(report, "input", before, after)
        compare_shape(report, "input", before, after)
        return
    for name in gone:
        report.add("input-removed", "input", name, f'the input "{name}" is gone; requests with it fail.', (*GRPC, *ROW))
        message = f'the input "{name}" is gone; its column is ignored without an error.'
        report.add("input-ignored", "input", name, message, COLUMNAR)
    for name in added:
        text = tensor_text(new.inputs[name])
        is_optional = name in new.defaults
        if is_optional:
            message = f'the input "{name}" ({text}) is new and may be left out over gRPC.'
            report.add("input-added-optional", "input", name, message, GRPC)
        message = f'the input "{name}" ({text}) is new and must be sent.'
        report.add("input-added", "input", name, message, REST if is_optional else ALL_WIRES)
    for name in sorted(old.inputs.keys() & new.inputs.keys()):
        compare_dtype(report, "input", old.inputs[name], new.inputs[name])
        compare_shape(report, "input", old.inputs[name], new.inputs[name])
        _compare_default(report, name, was_optional=name in old.defaults, is_optional=name in new.defaults)


def _compare_default(report: Report, name: str, *, was_optional: bool, is_optional: bool) -> None:
    if was_optional and not is_optional:
        message = f'the input "{name}" has no default any more; requests without it fail.'
        report.add("input-default-removed", "input", name, message, GRPC)
    if is_optional and not was_optional:
        report.add("input-default-added", "input", name, f'the input "{name}" may be left out now.', GRPC)


def _compare_outputs(report: Report, old: SignatureSpec, new: SignatureSpec) -> None:
    gone, added = sorted(old.outputs.keys() - new.outputs.keys()), sorted(new.outputs.keys() - old.outputs.keys())
    is_renamed = len(old.outputs) == len(new.outputs) == len(gone) == 1
    if is_renamed:
        before, after = old.outputs[gone[0]], new.outputs[added[0]]
        report.add(
            "output-renamed", "output", before.name, f'the output "{before.name}" is called "{after.name}" now.', GRPC
        )
        compare_dtype(report, "output", before, after)
        compare_shape(report, "output", before, after)
    else:
        for name in gone:
            report.add("output-removed", "output", name, f'the output "{name}" is gone.')
        for name in added:
            text = tensor_text(new.outputs[name])
            report.add("output-added", "output", name, f'the output "{name}" ({text}) is new.')
    for name in sorted(old.outputs.keys() & new.outputs.keys()):
        compare_dtype(report, "output", old.outputs[name], new.outputs[name])
        compare_shape(report, "output", old.outputs[name], new.outputs[name])
    _compare_encoding(report, old, new)
    _compare_json(report, old, new)


def _compare_encoding(report: Report, old: SignatureSpec, new: SignatureSpec) -> None:
    for name, tensor in old.outputs.items():
        other = name.removesuffix(_BYTES) if name.endswith(_BYTES) else name + _BYTES
        if tensor.dtype == "string" and name not in new.outputs and other in new.outputs:
            form = "base64 objects" if other.endswith(_BYTES) else "plain text"
            message = f'the output "{name}" is called "{other}" now, so REST writes it as {form}.'
            report.add("output-encoding-changed", "output", name, message, REST)


def _compare_json(report: Report, old: SignatureSpec, new: SignatureSpec) -> None:
    """Find what the outputs together do to REST answers."""
    if old.method == "predict":
        if len(old.outputs) == 1 < len(new.outputs):
            message = f"REST answers are objects with {len(new.outputs)} outputs now, not bare values."
            report.add("outputs-nested", "output", "", message, REST)
        if len(old.outputs) > 1 == len(new.outputs):
            report.add("outputs-bared", "output", "", "REST answers are bare values now, not objects.", REST)
        if not _has_rows(new):
            message = "the outputs do not share their leading dimension any more, so REST rows cannot be written."
            report.add("output-breaks-rows", "output", "", message, ROW)
    for name in sorted(new.outputs.keys() - old.outputs.keys()):
        if new.outputs[name].dtype in NO_JSON:
            message = f'the new output "{name}" is {new.outputs[name].dtype}, so no REST answer can be written.'
            report.add("output-not-in-json", "output", name, message, REST)
