"""What a server says about a model: its versions' states and its signatures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from pytest_tfsig.savedmodel import SignatureSpec

__all__ = ["Metadata", "VersionStatus", "metadata_from_proto", "statuses_from_proto"]


@final
@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The state of one version of a model.

    Args:
        version: The version's number.
        state: `START`, `LOADING`, `AVAILABLE`, `UNLOADING`, `END` or `UNKNOWN`.
        code: The canonical code's name; `OK` unless the version failed.
        message: Why it failed, in the server's words; empty otherwise.
    """

    version: int
    state: str
    code: str
    message: str


@final
@dataclass(frozen=True, slots=True)
class Metadata:
    """What GetModelMetadata answers.

    Args:
        name: The model's name.
        version: The version that answered.
        signatures: The signatures that can be called, by name.
    """

    name: str
    version: int
    signatures: dict[str, SignatureSpec]


def metadata_from_proto(response: Any) -> Metadata:
    """Read a `GetModelMetadataResponse`."""
    from pytest_tfsig import protos, savedmodel

    signatures = protos.SignatureDefMap()
    if "signature_def" in response.metadata:
        signatures.ParseFromString(response.metadata["signature_def"].value)
    return Metadata(
        name=response.model_spec.name,
        version=response.model_spec.version.value,
        signatures=savedmodel.signatures_from_metadata(signatures),
    )


def statuses_from_proto(response: Any) -> list[VersionStatus]:
    """Read a `GetModelStatusResponse`; the order, newest first, is the server's."""
    from pytest_tfsig.model_server.status import Code

    state = response.DESCRIPTOR.fields_by_name["model_version_status"].message_type.enum_types_by_name["State"]
    return [
        VersionStatus(
            version=row.version,
            state=_name(state, row.state),
            code=Code(row.status.error_code).name,
            message=row.status.error_message,
        )
        for row in response.model_version_status
    ]


def _name(states: Any, number: int) -> str:
    if number not in states.values_by_number:
        raise ValueError(f"{number} is no state of a version")
    return str(states.values_by_number[number].name)
