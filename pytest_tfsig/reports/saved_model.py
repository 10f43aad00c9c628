"""What a SavedModel declares, for people and for programs: `tfsig show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_tfsig.contract import shape_text
from pytest_tfsig.errors import SavedModelError
from pytest_tfsig.reports.visible import in_line
from pytest_tfsig.savedmodel import SavedModel, read, resolve, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.reports.result import ModelIdentity
    from pytest_tfsig.savedmodel import FeatureSpec, SignatureSpec, TensorSpec


def as_text(path: str) -> str:
    """Returns a SavedModel's signatures as an aligned table, and what callers may stumble over.

    Raises:
        SavedModelError: There is no readable SavedModel.
    """
    found = resolve(path)
    model = read(found.directory)
    rows = [tuple(map(in_line, row)) for signature in model.signatures.values() for row in _rows(signature)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    lines = [f"{found.name}, version {found.version}: {model.path}", *map(in_line, _facts(model, found.base))]
    for row in rows:
        first, *rest = row
        cells = "  ".join(cell.ljust(width) for cell, width in zip((first, *rest[:2]), widths, strict=True))
        lines.append(f"  {cells}  {rest[2]}".rstrip())
    if not rows:
        lines.append("  no signatures: nothing can be called")
    lines += [f"warning: {in_line(str(warning))}" for warning in model.warnings]
    return "\n".join(lines)


def _facts(model: SavedModel, base: Any) -> Iterator[str]:
    written = model.tensorflow_version or "an unknown version"
    yield f"  written by TensorFlow {written}, tags {', '.join(model.tags)}"
    if base is not None:
        yield f"  versions: {', '.join(map(str, versions(base)))}"
    if model.assets:
        yield f"  assets: {', '.join(model.assets)}"
    yield f"  warmup requests: {'yes' if model.warmup else 'none'}"


def _rows(signature: SignatureSpec) -> Iterator[tuple[str, str, str, str]]:
    yield f"{signature.name} ({signature.method})", "", "", ""
    for side, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for tensor in tensors.values():
            optional = " (optional over gRPC)" if tensor.name in signature.defaults else ""
            yield f"  {side}", tensor.name, tensor.dtype, f"{_shape(tensor)}{optional}"
            for feature in (tensor.features or {}).values():
                yield "    feature", feature.name, feature.dtype, _feature(feature)


def _shape(tensor: TensorSpec) -> str:
    return (
        shape_text(tensor.shape)
        if tensor.encoding == "dense"
        else f"{tensor.encoding}: TensorFlow Serving cannot feed it"
    )


def _feature(feature: FeatureSpec) -> str:
    required = "required" if feature.required else "may be missing"
    return f"{feature.kind} {shape_text(feature.shape)}, {required}"


def as_json(path: str) -> str:
    """Returns the same as JSON: one object, signatures by name.

    Raises:
        SavedModelError: There is no readable SavedModel.
    """
    found = resolve(path)
    model = read(found.directory)
    document = {
        "path": str(model.path),
        "name": found.name,
        "version": found.version,
        "versions": [] if found.base is None else versions(found.base),
        "tensorflow_version": model.tensorflow_version,
        "tags": list(model.tags),
        "assets": list(model.assets),
        "warmup": model.warmup is not None,
        "signatures": {name: _signature(signature) for name, signature in model.signatures.items()},
        "warnings": [
            {"id": warning.id, "signature": warning.signature, "message": warning.message} for warning in model.warnings
        ],
    }
    return json.dumps(document, indent=2, default=_text)


def declaration(model: ModelIdentity) -> dict[str, Any]:
    """Returns what a judged model declares, for reports: its signatures, and the TensorFlow that wrote it.

    Empty for a model on a remote server, and for one that is no longer where it was judged.
    """
    if not model.sha256:
        return {}
    try:
        found = resolve(model.path)
        saved = read(found.directory)
    except (SavedModelError, OSError):
        return {}
    if found.version != model.version:
        return {}
    return {
        "tensorflow_version": saved.tensorflow_version,
        "warmup": saved.warmup is not None,
        "signatures": json.loads(
            json.dumps({name: _signature(each) for name, each in saved.signatures.items()}, default=_text)
        ),
        "warnings": [warning.message for warning in saved.warnings],
    }


def _signature(signature: SignatureSpec) -> dict[str, Any]:
    return {
        "method": signature.method,
        "inputs": _tensors(signature.inputs),
        "outputs": _tensors(signature.outputs),
        "defaults": sorted(signature.defaults),
    }


def _tensors(tensors: Mapping[str, TensorSpec]) -> dict[str, Any]:
    return {
        name: {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "encoding": tensor.encoding,
            "features": None
            if tensor.features is None
            else {
                key: {"dtype": feature.dtype, "shape": feature.shape, "kind": feature.kind, "default": feature.default}
                for key, feature in tensor.features.items()
            },
        }
        for name, tensor in tensors.items()
    }


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
