"""A SavedModel: what its file declares, and what a reader can warn of without running it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from pytest_tfsig import protos
from pytest_tfsig.errors import SavedModelError
from pytest_tfsig.savedmodel.dtypes import COMPLEX_DTYPES, HALF_DTYPES
from pytest_tfsig.savedmodel.examples import features_of
from pytest_tfsig.savedmodel.files import read_asset_file, read_graph_file, refuse_link_out, resolve
from pytest_tfsig.savedmodel.flow import source
from pytest_tfsig.savedmodel.graph import Graph, node_of
from pytest_tfsig.savedmodel.meanings import image_of, indices_of
from pytest_tfsig.savedmodel.restore import read_variables, restored_variables
from pytest_tfsig.savedmodel.specs import FeatureSpec, Meaning, SignatureSpec, TensorSpec, signature_spec
from pytest_tfsig.savedmodel.vocabulary import ids_of, words_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from pytest_tfsig.savedmodel.vocabulary import ReadAsset

SERVE: Final = "serve"
"""The tag under which TensorFlow Serving looks for the graph."""

_INTERNAL_PREFIX: Final = "__saved_model"
_WARMUP: Final = Path("assets.extra", "tf_serving_warmup_requests")
_METHODS: Final = frozenset({"predict", "classify", "regress"})

VARIABLES_NOT_RESTORED: Final = "variables-not-restored"
"""The id of the warning of a signature that fails every request."""


@dataclass(frozen=True, slots=True)
class ModelWarning:
    """Something that callers of the served model may stumble over.

    Attributes:
        id: A stable name of its kind.
        signature: The signature it concerns.
        message: One or two sentences that stand alone.
    """

    id: str
    signature: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class SavedModel:
    """What a SavedModel declares.

    Attributes:
        path: Its directory.
        tags: The tags of the graph that is served.
        signatures: By name, internal ones left out.
        tensorflow_version: The TensorFlow that wrote it; empty where it does not say.
        assets: The asset files that the graph names, relative to ``assets/``.
        warmup: The file of warmup requests, or None.
        warnings: What callers may stumble over.
    """

    path: Path
    tags: tuple[str, ...]
    signatures: dict[str, SignatureSpec]
    tensorflow_version: str
    assets: tuple[str, ...] = ()
    warmup: Path | None = None
    warnings: tuple[ModelWarning, ...] = ()


def read(path: str | os.PathLike[str]) -> SavedModel:
    """Read what a SavedModel declares.

    Args:
        path: A version directory, any directory that holds ``saved_model.pb`` or ``.pbtxt``, or a base path, whose
            newest version is read.

    Raises:
        SavedModelError: There is none, or its file is missing, truncated, foreign or has no graph tagged ``serve``.
    """
    directory = resolve(path).directory
    file, content = read_graph_file(directory)
    meta_graph = _served_graph(file, _parse(file, content))
    graph = Graph(meta_graph.graph_def)
    filenames = {node_of(asset.tensor_info.name): asset.filename for asset in meta_graph.asset_file_def}
    read_asset = cache(partial(_asset, directory, filenames))
    signatures = {
        name: _signature(name, meta_graph.signature_def[name], graph, read_asset)
        for name in sorted(meta_graph.signature_def)
        if not name.startswith(_INTERNAL_PREFIX)
    }
    warmup = directory / _WARMUP
    refuse_link_out(directory, warmup)
    return SavedModel(
        directory,
        tuple(meta_graph.meta_info_def.tags),
        signatures,
        meta_graph.meta_info_def.tensorflow_version,
        tuple(sorted(asset.filename for asset in meta_graph.asset_file_def)),
        warmup if warmup.is_file() else None,
        tuple(_warnings(meta_graph, graph, signatures)),
    )


def _parse(file: Path, content: bytes) -> Any:
    if file.suffix == ".pbtxt":
        from google.protobuf import text_format  # 30 ms that a binary file need not pay

        try:
            text = content.decode("utf-8")
            with warnings.catch_warnings():
                # Python deprecates some escapes that protobuf reads.
                warnings.simplefilter("ignore", DeprecationWarning)
                # Fields that our own message files leave out are not ours to judge.
                return text_format.Parse(text, protos.SavedModel(), allow_unknown_field=True)
        except (text_format.ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise SavedModelError(f"{file}: not a SavedModel in protobuf text format: {_first_line(error)}.") from None
    try:
        return protos.SavedModel.FromString(content)
    except DecodeError:
        raise SavedModelError(
            f"{file}: truncated or not a SavedModel: protobuf cannot decode its {len(content)} bytes; "
            "copy or export the model again."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _served_graph(file: Path, saved_model: Any) -> Any:
    """Return the meta graph whose tags are exactly ``serve``, as the loader chooses; else one that has the tag."""
    tag_sets = [list(meta_graph.meta_info_def.tags) for meta_graph in saved_model.meta_graphs]
    if not tag_sets:
        raise SavedModelError(
            f"{file}: holds no graph, so it is truncated or not a SavedModel; export the model again."
        )
    for meta_graph, tags in zip(saved_model.meta_graphs, tag_sets, strict=True):
        if set(tags) == {SERVE}:
            return meta_graph
    stated = " and ".join(f"[{', '.join(tags)}]" for tags in tag_sets)
    raise SavedModelError(f'{file}: no graph is tagged "{SERVE}" alone, but {stated}; export it with tags ["serve"].')


def _asset(directory: Path, filenames: Mapping[str, str], node: str) -> bytes | None:
    return read_asset_file(directory, filenames[node]) if node in filenames else None


def _signature(name: str, definition: Any, graph: Graph, read_asset: ReadAsset) -> SignatureSpec:
    features, meanings = {}, {}
    for key, info in definition.inputs.items():
        try:
            told = _told(info, graph, read_asset)
        except (IndexError, ValueError):
            # A node lacks inputs that its op must have: TensorFlow does not load such a graph, and says why.
            continue
        if isinstance(told, Meaning):
            meanings[key] = told
        elif told is not None:
            features[key] = told
    return signature_spec(name, definition, features, meanings)


def _told(info: Any, graph: Graph, read_asset: ReadAsset) -> Meaning | dict[str, FeatureSpec] | None:
    """Return what the graph tells of an input: its meaning, or the features that are parsed out of it."""
    if not info.name:
        return None
    start = source(graph, info.name)
    if info.dtype != protos.DataType.Value("DT_STRING"):
        return indices_of(graph, start) or ids_of(graph, start, read_asset)
    features = features_of(graph, start, read_asset)
    return image_of(graph, start) or words_of(graph, start, read_asset) if features is None else features


def _warnings(meta_graph: Any, graph: Graph, signatures: dict[str, SignatureSpec]) -> Iterator[ModelWarning]:
    setters = [meta_graph.saver_def.restore_op_name]
    for name, definition in meta_graph.signature_def.items():
        if name.startswith(_INTERNAL_PREFIX):
            setters.extend(node_of(info.name) for info in definition.outputs.values())
    restored = restored_variables(graph, setters)
    for name, spec in signatures.items():
        fetched = [output.tensor_name for output in spec.outputs.values() if output.tensor_name]
        missing = sorted(read_variables(graph, fetched) - restored)
        if missing:
            yield _could_not_find(name, missing)
        yield from _signature_warnings(spec)


def _could_not_find(signature: str, variables: list[str]) -> ModelWarning:
    return ModelWarning(
        VARIABLES_NOT_RESTORED,
        signature,
        f'signature "{signature}" reads {len(variables)} variable{"s" * (len(variables) != 1)} that nothing restores '
        f"({', '.join(variables[:3])}{', …' if len(variables) > 3 else ''}): when served, every request fails with "  # noqa: PLR2004 - three names show the kind
        '"Could not find variable". A Keras model saved by tf.saved_model.save does this; use model.export() or '
        "keras.export.ExportArchive.",
    )


def _signature_warnings(spec: SignatureSpec) -> Iterator[ModelWarning]:
    if spec.method not in _METHODS:
        yield ModelWarning(
            "unknown-method",
            spec.name,
            f'signature "{spec.name}" has the method "{spec.method}", which TensorFlow Serving does not answer for.',
        )
    for side, tensors in (("input", spec.inputs), ("output", spec.outputs)):
        for tensor in tensors.values():
            where = f'{side} "{tensor.name}" of signature "{spec.name}"'
            yield from _tensor_warnings(spec, tensor, side, where)


def _tensor_warnings(spec: SignatureSpec, tensor: TensorSpec, side: str, where: str) -> Iterator[ModelWarning]:
    if tensor.encoding != "dense":
        yield ModelWarning(
            "not-dense", spec.name, f"{where} is {tensor.encoding}: TensorFlow Serving answers for dense tensors only."
        )
    if tensor.dtype in HALF_DTYPES | COMPLEX_DTYPES:
        yield ModelWarning(
            "no-json",
            spec.name,
            f"{where} is {tensor.dtype}, which does not travel over REST; cast it, or use gRPC only.",
        )
    # Classify's labels are text by the API itself, under a name that is not the model's to choose.
    is_own = side == "output" and spec.method == "predict"
    if is_own and tensor.dtype == "string" and not tensor.name.endswith("_bytes"):
        yield ModelWarning(
            "raw-strings",
            spec.name,
            f"{where} is a string whose name does not end in _bytes: REST writes its bytes raw, "
            "which is no JSON unless they are UTF-8.",
        )
