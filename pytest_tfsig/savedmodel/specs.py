"""What a SavedModel declares: signatures, their tensors and the features of their tf.Examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_tfsig.savedmodel.dtypes import dtype_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_METHOD_PREFIX: Final = "tensorflow/serving/"
_INTERNAL_PREFIX: Final = "__saved_model"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature that the graph parses out of a tf.Example.

    Attributes:
        name: The feature's key in the tf.Example.
        dtype: float32, int64 or string.
        shape: Sizes of one example's value, None where the length varies; None where the shape is open. A leading
            None of a ``variable`` feature is a length that varies, padded with the default.
        kind: ``fixed`` is parsed into a dense tensor, ``variable`` into a sparse or padded one, ``ragged`` into a
            ragged one.
        default: The values taken where an example lacks the feature; None: there is no default, so that an example
            without a fixed feature is an error.
        image: The format of an image file that the graph decodes a fixed string as, or None.
        vocabulary: Strings or integers that the graph tells apart from all others; empty where that cannot be told.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None = ()
    kind: Literal["fixed", "variable", "ragged"] = "fixed"
    default: tuple[float | int | bytes, ...] | None = None
    image: Literal["png", "jpeg"] | None = None
    vocabulary: tuple[bytes | int, ...] = ()

    @property
    def required(self) -> bool:
        """Whether an example without this feature is an error."""
        return self.kind == "fixed" and self.default is None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the graph takes the values of an input for.

    Attributes:
        image: The format of an image file that it decodes them as, or None.
        table_size: The number of rows of the smallest table that it looks them up in, or None.
        vocabulary: Keys of tables that it looks them up in, and strings that it compares them with.
        source: What the graph does with them, as the end of a sentence that begins "the graph".
    """

    image: Literal["png", "jpeg"] | None = None
    table_size: int | None = None
    vocabulary: tuple[bytes | int, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        name: Its key in the signature.
        dtype: The dtype's name.
        shape: Sizes, None for any size; None: any rank.
        tensor_name: The graph's tensor, ``node:index``; empty for a sparse or composite one.
        features: The features that the graph parses out of this string input, or None.
        encoding: How the tensor travels; TensorFlow Serving answers for dense ones only.
        meaning: What the graph takes this input's values for; None where that cannot be told.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    tensor_name: str = ""
    features: Mapping[str, FeatureSpec] | None = None
    encoding: Literal["dense", "sparse", "composite"] = "dense"
    meaning: Meaning | None = None


@dataclass(frozen=True, slots=True)
class SignatureSpec:
    """One signature as the SavedModel declares it.

    Attributes:
        name: Its key in the SavedModel.
        method: ``predict``, ``classify`` or ``regress``; any other method name as it stands.
        inputs: Tensors by name, in order of name.
        outputs: Tensors by name, in order of name.
        defaults: The inputs that a gRPC request may leave out.
        features: The features of all tf.Example inputs together; None: no input is a tf.Example.
    """

    name: str
    method: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    defaults: frozenset[str] = frozenset()
    features: dict[str, FeatureSpec] | None = field(default=None)


def signatures_from_metadata(signatures: Any) -> dict[str, SignatureSpec]:
    """Return the signatures of a ``SignatureDefMap``, as a server's GetModelMetadata answers it.

    Args:
        signatures: A SignatureDefMap, or a mapping of names to SignatureDefs.
    """
    definitions = getattr(signatures, "signature_def", signatures)
    return {
        name: signature_spec(name, definitions[name])
        for name in sorted(definitions)
        if not name.startswith(_INTERNAL_PREFIX)
    }


def signature_spec(
    name: str,
    definition: Any,
    features: Mapping[str, Mapping[str, FeatureSpec]] | None = None,
    meanings: Mapping[str, Meaning] | None = None,
) -> SignatureSpec:
    """Return a SignatureDef as a spec.

    Args:
        name: The signature's key.
        definition: The SignatureDef.
        features: The features of tf.Example inputs, by input name.
        meanings: What the graph takes other inputs for, by input name.
    """
    found, meant = features or {}, meanings or {}
    return SignatureSpec(
        name,
        definition.method_name.removeprefix(_METHOD_PREFIX) or "predict",
        {
            key: _tensor_spec(key, definition.inputs[key], found.get(key), meant.get(key))
            for key in sorted(definition.inputs)
        },
        {key: _tensor_spec(key, definition.outputs[key]) for key in sorted(definition.outputs)},
        frozenset(definition.defaults),
        {key: spec for specs in found.values() for key, spec in specs.items()} if found else None,
    )


def _tensor_spec(
    name: str, info: Any, features: Mapping[str, FeatureSpec] | None = None, meaning: Meaning | None = None
) -> TensorSpec:
    encoding: Literal["dense", "sparse", "composite"] = "dense"
    if info.HasField("coo_sparse"):
        encoding = "sparse"
    elif info.HasField("composite_tensor"):
        encoding = "composite"
    return TensorSpec(name, dtype_name(info.dtype), shape_of(info.tensor_shape), info.name, features, encoding, meaning)


def shape_of(shape: Any) -> tuple[int | None, ...] | None:
    """Return a TensorShapeProto's sizes, None for any size; None for any rank."""
    if shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
