"""Ops: libraries of custom ones, and what a graph needs that is not there."""

from __future__ import annotations

import importlib.util
import logging
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import protos
from pytest_tfsig.errors import ServerError
from pytest_tfsig.model_server import c_api
from pytest_tfsig.model_server.c_tensors import Scratch
from pytest_tfsig.model_server.status import Code, StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["advise", "load_libraries", "refuse_missing"]

logger = logging.getLogger(__name__)

# what a library that registers ops, or kernels for them, refers to by its C++ name
_MARKS: Final = (b"OpDefBuilder", b"KernelDefBuilder")
_SUFFIXES: Final = {".so", ".dylib"}
_UNREGISTERED: Final = "Op type not registered '"


def load_libraries(names: Iterable[str]) -> None:
    """Load libraries of custom ops into TensorFlow, before any model that needs them.

    Args:
        names: Paths of shared libraries, or names of installed packages that hold some ("tensorflow_text").

    Raises:
        ServerError: A name is neither, a package has no such library, or TensorFlow cannot load it.
    """
    api = c_api.load()
    scratch = Scratch(api)
    for name in names:
        for library in _libraries(name):
            handle = api.slow.TF_LoadLibrary(os.fsencode(library), scratch.status)
            try:
                api.check(scratch.status)
            except StatusError as error:
                raise ServerError(f"--op_library={name}: TensorFlow cannot load {library}: {error}.") from error
            api.quick.TF_DeleteLibraryHandle(handle)  # frees the handle; the ops stay
            logger.info("Loaded ops from %s", library)


def _libraries(name: str) -> list[Path]:
    path = Path(name)
    if path.is_file():
        return [path]
    package = name.replace("-", "_")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            f"--op_library={name} is neither a file nor an installed package: give a library's path, or install the "
            "package that holds the ops."
        )
    files = (file for place in spec.submodule_search_locations for file in Path(place).rglob("*"))
    found = sorted(file for file in files if file.suffix in _SUFFIXES and _has_ops(file))
    if not found:
        raise ServerError(f"--op_library={name}: the package {package} has no library of TensorFlow ops.")
    return found


def _has_ops(library: Path) -> bool:
    if not library.stat().st_size:
        return False
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(mark) >= 0 for mark in _MARKS)


def refuse_missing(api: c_api.Api, graph: int, definition: bytes) -> None:
    """Refuse a graph that needs an op this server lacks; TensorFlow would only notice when a request comes.

    Args:
        api: TensorFlow.
        graph: The loaded graph.
        definition: Its GraphDef.

    Raises:
        StatusError: NOT_FOUND, with the op's name and what to do about it.
    """
    scratch = Scratch(api)
    for op in sorted(_used(protos.GraphDef.FromString(definition))):
        buffer = api.quick.TF_NewBuffer()
        try:
            api.quick.TF_GraphGetOpDef(graph, op.encode(), buffer, scratch.status)
            api.check(scratch.status)
        except StatusError as error:
            raise advise(StatusError(Code.NOT_FOUND, f"{_UNREGISTERED}{op}' in this server")) from error
        finally:
            api.quick.TF_DeleteBuffer(buffer)


def advise(error: StatusError) -> StatusError:
    """The same error, with advice if it is about an op that is not there."""
    if _UNREGISTERED not in error.message:
        return error
    op = error.message.partition(_UNREGISTERED)[2].partition("'")[0]
    return StatusError(
        error.code,
        f"{error.message.rstrip('.')}. The model needs the custom op {op}: load its library with "
        "--op_library=PATH-or-package (pytest: --tfsig-op-library), such as tensorflow_text for the ops of "
        "tensorflow-text.",
    )


def _used(graph: Any) -> set[str]:
    """Names of ops in the graph and in every function that it can call; functions are not ops."""
    functions = {function.signature.name: function for function in graph.library.function}
    ops: set[str] = set()
    seen: set[str] = set()
    waiting = [graph.node]
    while waiting:
        for node in waiting.pop():
            called = set(_functions_of(node)) | {node.op}
            ops.add(node.op)
            for name in (called & functions.keys()) - seen:
                seen.add(name)
                waiting.append(functions[name].node_def)
    return ops - functions.keys()


def _functions_of(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield value.func.name
        elif kind == "list":
            for function in value.list.func:
                yield function.name
