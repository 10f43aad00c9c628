"""A model server's configuration of models: what is accepted, and what it asks to be served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLATFORM", "Model", "models", "read_text", "single"]

PLATFORM: Final = "tensorflow"
_URI = re.compile(r"[a-zA-Z][0-9a-zA-Z.]*://")


@dataclass(frozen=True, slots=True)
class Model:
    """One configured model.

    Args:
        name: Its name in requests.
        base: The directory of its version directories.
        policy: A ServableVersionPolicy message.
        labels: Label -> version.
    """

    name: str
    base: Path
    policy: Any
    labels: Mapping[str, int]


def single(name: str, base_path: str) -> Any:
    """A ModelServerConfig of one model, as --model_name and --model_base_path give it."""
    config = protos.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def read_text(path: str, message: Any) -> Any:
    """Fill `message` from a file in protobuf's text format.

    Raises:
        StatusError: There is no such file, or it is not such a message.
    """
    from google.protobuf import text_format

    try:
        text = Path(path).read_bytes()
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.FAILED_PRECONDITION
        raise StatusError(code, f"{path}; {error.strerror}") from error
    try:
        text_format.Parse(text, message, descriptor_pool=protos.pool())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise StatusError(Code.INVALID_ARGUMENT, f"Invalid protobuf file: '{path}'") from error
    return message


def models(config: Any) -> list[Model]:
    """The models of a ModelServerConfig.

    Raises:
        StatusError: A model is named twice, has a relative base path, or a platform other than "tensorflow".
    """
    entries = config.model_config_list.config
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"Illegal to list model {entry.name} multiple times in config list"
            )
        names.add(entry.name)
    for entry in entries:
        if not (entry.base_path.startswith("/") or _URI.match(entry.base_path)):
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}",
            )
    return [
        Model(entry.name, Path(entry.base_path), entry.model_version_policy, dict(entry.version_labels))
        for entry in entries
    ]


def platforms(config: Any) -> dict[str, str]:
    """Model name -> platform.

    Raises:
        StatusError: A model has none, or both the old and the new way of naming it.
    """
    return {entry.name: _platform(entry) for entry in config.model_config_list.config}


def refuse_unsupported_platforms(config: Any) -> None:
    """Refuse models that are not TensorFlow's.

    Raises:
        StatusError: A model asks for another platform.
    """
    for name, platform in platforms(config).items():
        if platform != PLATFORM:
            raise StatusError(Code.INVALID_ARGUMENT, f"Model {name} requests unsupported platform {platform}")


def _platform(entry: Any) -> str:
    if not entry.model_type:
        if not entry.model_platform:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {entry.name}",
            )
        return str(entry.model_platform)
    if entry.model_platform:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            f"model name is {entry.name}",
        )
    if entry.model_type != protos.ModelType.Value("TENSORFLOW"):
        raise StatusError(
            Code.INVALID_ARGUMENT, f"ModelServerConfig::model_type choice {entry.model_type} not supported."
        )
    return PLATFORM
