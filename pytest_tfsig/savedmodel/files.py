"""The files of a SavedModel: base path, versions, what is served, and their digest."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_tfsig.errors import SavedModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

GRAPH_FILES: Final = ("saved_model.pb", "saved_model.pbtxt")
"""The file that makes a directory a SavedModel, binary or text, in the order TensorFlow looks for them."""

# Protobuf can hold no more than this in one message.
_LARGEST_GRAPH: Final = 2**31 - 1
_LARGEST_TEXT: Final = 64 * 2**20
_LARGEST_ASSET: Final = 64 * 2**20
_VERSION: Final = re.compile(r"\d+", re.ASCII)
_LARGEST_VERSION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ModelPath:
    """Where a model to be served lies.

    Attributes:
        base: The base path that holds its versions; None for a directory that has no version number.
        directory: The SavedModel.
        name: The base path's name, or the directory's own, as far as a URL can carry it: "_" for all else.
        version: The version number; 1 where there is none.
    """

    base: Path | None
    directory: Path
    name: str
    version: int


def versions(base: str | os.PathLike[str]) -> list[int]:
    """Return the version numbers of a base path, ascending; empty where there are none.

    Raises:
        SavedModelError: The path is missing or no directory.
    """
    return sorted(_version_directories(_existing_directory(base)))


def resolve(path: str | os.PathLike[str]) -> ModelPath:
    """Return the SavedModel that a path means.

    Args:
        path: A base path with numeric versions (the newest is meant), a version directory, or a SavedModel elsewhere
            (version 1).

    Raises:
        SavedModelError: The path is missing or holds neither a SavedModel nor versions.
    """
    directory = _existing_directory(path)
    is_version = _VERSION.fullmatch(directory.name) is not None and int(directory.name) <= _LARGEST_VERSION
    if any(os.path.lexists(directory / name) for name in GRAPH_FILES):
        if is_version:
            return ModelPath(directory.parent, directory, _servable_name(directory.parent), int(directory.name))
        return ModelPath(None, directory, _servable_name(directory), 1)
    found = _version_directories(directory)
    if found:
        newest = max(found)
        return ModelPath(directory, found[newest], _servable_name(directory), newest)
    if is_version:
        raise SavedModelError(f"{directory}: this version holds no saved_model.pb; {_hint(directory)}")
    raise SavedModelError(
        f"{directory}: neither a SavedModel (no saved_model.pb) nor a base path (no numeric version directory); "
        f"{_hint(directory)}"
    )


def digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a SavedModel directory as hex: of its files' names, in order, and their contents.

    A link that leads out of the directory counts with its target's name and is never followed; fifos, sockets and
    devices count with their names and are never opened.

    Raises:
        SavedModelError: The directory is missing or a file cannot be read.
    """
    root = _existing_directory(path)
    total = hashlib.sha256()
    try:
        for name, content in _contents(root):
            total.update(len(name).to_bytes(8, "little") + name + content)
    except OSError as error:
        raise SavedModelError(f"{error.filename or root}: cannot be read: {error.strerror}.") from None
    return total.hexdigest()


def _contents(root: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield each entry's relative name and a digest of what it is, in order of name."""
    real_root = os.path.realpath(root)
    names = []
    for folder, folders, files in os.walk(root, onerror=_raise):
        names += [os.path.join(folder, name) for name in files]  # noqa: PTH118 - the fast path of os.walk
        names += [link for name in folders if os.path.islink(link := os.path.join(folder, name))]  # noqa: PTH114, PTH118 - as above
    for relative, name in sorted((os.fsencode(os.path.relpath(name, root)), name) for name in names):
        yield relative.replace(os.sep.encode(), b"/"), _entry_digest(name, real_root)


def _servable_name(directory: Path) -> str:
    """Returns a name that a model can be served under: it becomes part of URLs and of configuration files."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", directory.name).lstrip(".-") or "model"


def _entry_digest(name: str, real_root: str) -> bytes:
    real = os.path.realpath(name)
    inside = real.startswith(real_root + os.sep)
    if os.path.islink(name) and not (inside and os.path.isfile(real)):  # noqa: PTH113, PTH114 - strings, not Paths
        target = os.path.relpath(real, real_root) if inside else os.readlink(name)  # noqa: PTH115 - as above
        return hashlib.sha256(b"link " + os.fsencode(target)).digest()
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK) if stat.S_ISREG(os.stat(real).st_mode) else None  # noqa: PTH116 - as above
    if descriptor is None:
        return hashlib.sha256(b"special").digest()
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def read_graph_file(directory: Path) -> tuple[Path, bytes]:
    """Return the file that holds the graph, and its bytes.

    Raises:
        SavedModelError: There is none, it is no regular file, it is empty or larger than any SavedModel.
    """
    file = next((directory / name for name in GRAPH_FILES if os.path.lexists(directory / name)), None)
    if file is None:
        raise SavedModelError(f"{directory}: no saved_model.pb is there, so this is no SavedModel; {_hint(directory)}")
    refuse_link_out(directory, file)
    try:
        # Without O_NONBLOCK, opening a fifo would wait for a writer that may never come.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", closefd=True) as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SavedModelError(
                    f"{file}: not a regular file but a {_kind(status.st_mode)}; export the model again."
                )
            _check_size(file, status.st_size)
            head = stream.read(16)
            _check_head(file, head, status.st_size)
            return file, head + stream.read(_LARGEST_GRAPH)
    except IsADirectoryError:
        raise SavedModelError(f"{file}: not a regular file but a directory; export the model again.") from None
    except OSError as error:
        raise SavedModelError(f"{file}: cannot be read: {error.strerror}.") from None


def read_asset_file(directory: Path, name: str) -> bytes | None:
    """Return the content of an asset; None where there is none to be read.

    A missing file, a name or link that leads out of ``assets/``, what is no regular file and what is larger than
    64 MiB are the server's to refuse: here they are of no use.
    """
    try:
        assets = os.path.realpath(directory / "assets")
        file = os.path.realpath(os.path.join(assets, name))  # noqa: PTH118 - a name may be absolute
        if not (assets.startswith(os.path.realpath(directory) + os.sep) and file.startswith(assets + os.sep)):
            return None
        # As for the graph's file, a fifo must not be waited for.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_ASSET:
                return None
            return stream.read(_LARGEST_ASSET)
    except (OSError, ValueError):  # the latter for a name with a NUL
        return None


def refuse_link_out(directory: Path, file: Path) -> None:
    """Refuse a file that is a link out of its model: a model must not name any file of the machine to be read.

    Raises:
        SavedModelError: It is such a link.
    """
    if not os.path.realpath(file).startswith(os.path.realpath(directory) + os.sep):
        raise SavedModelError(f"{file}: a link out of the model's directory; put the file itself there.")


def _check_size(file: Path, size: int) -> None:
    largest = _LARGEST_TEXT if file.suffix == ".pbtxt" else _LARGEST_GRAPH
    if size == 0:
        raise SavedModelError(f"{file}: empty; the export was cut short, export the model again.")
    if size > largest:
        raise SavedModelError(f"{file}: {size} bytes is more than a SavedModel can have ({largest}).")


def _check_head(file: Path, head: bytes, size: int) -> None:
    """Refuse a foreign or cut file by its first bytes, before reading what may be gigabytes."""
    if file.suffix == ".pbtxt":
        return
    # TensorFlow writes the schema version (tag 0x08), then meta graphs (tag 0x12); either may be first.
    if head[0] not in {0x08, 0x12}:
        raise SavedModelError(f"{file}: not a SavedModel: its first byte is {head[0]:#04x}; {_foreign(head)}")
    at = 2 if head[0] == 0x08 else 0  # noqa: PLR2004 - the schema version's tag and its one byte
    if head[at : at + 1] != b"\x12":
        return
    length, shift = 0, 0
    for at_byte in range(at + 1, len(head)):
        length |= (head[at_byte] & 0x7F) << shift
        shift += 7
        if not head[at_byte] & 0x80:
            if at_byte + 1 + length > size:
                raise SavedModelError(
                    f"{file}: truncated: its graph has {length} bytes but only {size - at_byte - 1} are there; "
                    "copy or export the model again."
                )
            return


def _foreign(head: bytes) -> str:
    for magic, what in (
        (b"PK", "it looks like a .keras or other zip archive; use model.export()."),
        (b"\x89HDF", "it looks like an HDF5 file; load it and use model.export()."),
        (b"version https://git-lfs", "it is a git-lfs pointer; run git lfs pull."),
        (b"version https:", "it is a git-lfs pointer; run git lfs pull."),
        (b"\x1f\x8b", "it looks like a gzip archive; unpack it."),
    ):
        if head.startswith(magic[: len(head)]):
            return what
    return f"export the model with {_EXPORT}."


def _kind(mode: int) -> str:
    for is_kind, name in ((stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "fifo"), (stat.S_ISSOCK, "socket")):
        if is_kind(mode):
            return name
    return "device"


def _existing_directory(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if "://" in text:
        raise SavedModelError(f"{text}: only directories of this machine are read; copy the model here first.")
    if not text:
        raise SavedModelError("The model's path is empty; give a SavedModel or a base path with versions.")
    directory = Path(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - resolve() would follow links
    try:
        mode = directory.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise SavedModelError(
            f"{directory}: no such directory; give a SavedModel or a base path with versions."
        ) from None
    except (OSError, ValueError) as error:
        raise SavedModelError(f"{directory}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if not stat.S_ISDIR(mode):
        raise SavedModelError(f"{directory}: a file, but a SavedModel is a directory; {_file_hint(directory)}")
    return directory


_EXPORT: Final = "model.export(directory), or with tf.saved_model.save() where no Keras model is in it"
"""Who saves a Keras 3 model with tf.saved_model.save() writes what loads and fails every request."""
_OTHER_FORMATS: Final = {
    ".keras": "load it with Keras, keras.saving.load_model(path), and write model.export(directory).",
    ".h5": "load it with Keras, keras.saving.load_model(path), and write model.export(directory).",
    ".hdf5": "load it with Keras, keras.saving.load_model(path), and write model.export(directory).",
    ".tflite": f"a TFLite model cannot be turned back: export the model that it was converted from, with {_EXPORT}.",
    ".onnx": f"TensorFlow Serving serves no ONNX; export the model that it was converted from, with {_EXPORT}.",
    ".pb": f"a frozen graph has no signatures: export the model with {_EXPORT}.",
}
"""What to do with models of other formats, by their files' suffixes."""


def _file_hint(file: Path) -> str:
    if file.name in GRAPH_FILES:
        return f"give {file.parent}."
    return _OTHER_FORMATS.get(file.suffix.lower(), "give the directory that holds saved_model.pb.")


def _hint(directory: Path) -> str:
    try:
        others = [entry.name for entry in os.scandir(directory)][:1000]
    except OSError:
        others = []
    nested = [name for name in sorted(others) if any((directory / name / graph).is_file() for graph in GRAPH_FILES)]
    if nested:
        return f'but "{nested[0]}" in it is a SavedModel: give that, or rename it to a version number.'
    bases = [name for name in sorted(others) if _holds_versions(directory / name)]
    if bases:
        return f'but "{bases[0]}" in it is a base path: give {directory / bases[0]}.'
    foreign = [name for name in sorted(others) if Path(name).suffix.lower() in _OTHER_FORMATS]
    if foreign:
        return f'"{foreign[0]}" in it is none: {_file_hint(Path(foreign[0]))}'
    return f"export a model there with {_EXPORT}."


def _holds_versions(base: Path) -> bool:
    try:
        versions = [entry for entry in base.iterdir() if _VERSION.fullmatch(entry.name)]
        return any((version / graph).is_file() for version in versions for graph in GRAPH_FILES)
    except OSError:
        return False


def _version_directories(base: Path) -> dict[int, Path]:
    """Return the version directories by number; of two that mean one number, the shorter name."""
    try:
        entries = sorted(base.iterdir(), key=lambda entry: len(entry.name), reverse=True)
        found = {int(entry.name): entry for entry in entries if _VERSION.fullmatch(entry.name) and entry.is_dir()}
    except OSError as error:
        raise SavedModelError(f"{base}: cannot be listed: {error.strerror}.") from None
    return {number: entry for number, entry in found.items() if number <= _LARGEST_VERSION}


def _raise(error: OSError) -> None:
    raise error
