"""SavedModels read from disk, without TensorFlow."""

from __future__ import annotations

from pytest_tfsig.savedmodel.files import ModelPath, digest, resolve, versions
from pytest_tfsig.savedmodel.reader import VARIABLES_NOT_RESTORED, ModelWarning, SavedModel, read
from pytest_tfsig.savedmodel.specs import FeatureSpec, Meaning, SignatureSpec, TensorSpec, signatures_from_metadata

__all__ = [
    "VARIABLES_NOT_RESTORED",
    "FeatureSpec",
    "Meaning",
    "ModelPath",
    "ModelWarning",
    "SavedModel",
    "SignatureSpec",
    "TensorSpec",
    "digest",
    "read",
    "resolve",
    "signatures_from_metadata",
    "versions",
]
