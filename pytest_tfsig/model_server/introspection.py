"""What a server says of its models: status of versions, and signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from pytest_tfsig.model_server.lifecycle import Row
    from pytest_tfsig.model_server.manager import Manager

__all__ = ["metadata", "status"]

_SIGNATURE_DEF: Final = "signature_def"


def status(manager: Manager, request: Any) -> Any:
    """Answer a GetModelStatusRequest; a label in it is ignored, as TensorFlow Serving does.

    Raises:
        StatusError: The model, or the version asked for, was never known.
    """
    if not request.HasField("model_spec"):
        raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    name = request.model_spec.name
    rows = manager.rows(name)
    if request.model_spec.HasField("version"):
        version = request.model_spec.version.value
        rows = [row for row in rows if row.version == version]
        if not rows:
            raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
    elif not rows:
        raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
    return protos.GetModelStatusResponse(model_version_status=[_version_status(row) for row in rows])


def _version_status(row: Row) -> Any:
    message = protos.ModelVersionStatus(version=row.version, state=int(row.state))
    message.status.SetInParent()
    if row.error is not None:
        message.status.error_code = int(row.error.code)
        message.status.error_message = row.error.message
    return message


def metadata(manager: Manager, request: Any) -> Any:
    """Answer a GetModelMetadataRequest.

    Raises:
        StatusError: The request asks for something else than signatures, or for a servable that is not there.
    """
    if not request.HasField("model_spec"):
        raise StatusError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    if not request.metadata_field:
        raise StatusError(Code.INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise StatusError(Code.INVALID_ARGUMENT, f"Metadata field {field} is not supported")
    signatures = protos.SignatureDefMap()
    response = protos.GetModelMetadataResponse()
    with manager.get(request.model_spec) as servable:
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
    response.metadata[_SIGNATURE_DEF].Pack(signatures)
    return response
