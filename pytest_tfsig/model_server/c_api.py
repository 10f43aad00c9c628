"""TensorFlow's C API: the shared libraries of the installed wheel, without the `tensorflow` package."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from contextlib import contextmanager
from ctypes import CDLL, POINTER, PyDLL, Structure, c_char_p, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig import requirements
from pytest_tfsig.errors import ServerError
from pytest_tfsig.model_server.status import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Api", "Buffer", "Output", "load", "version"]

_TRIED: Final = " to ".join(requirements.TENSORFLOW)


class Buffer(Structure):
    """`TF_Buffer`: bytes owned by whoever set `deallocator`."""

    _fields_ = [("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p)]


class Output(Structure):
    """`TF_Output`: one output of one operation."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


# name -> (result, arguments). What returns within a microsecond keeps the GIL: giving it up and taking it back
# costs more than the call, and lets every other thread of a busy server in between.
_QUICK: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "TF_NewStatus": (c_void_p, ()),
    "TF_GetCode": (c_int, (c_void_p,)),
    "TF_Message": (c_char_p, (c_void_p,)),
    "TF_DeleteStatus": (None, (c_void_p,)),
    "TF_AllocateTensor": (c_void_p, (c_int, POINTER(c_int64), c_int, c_size_t)),
    "TF_DeleteTensor": (None, (c_void_p,)),
    "TF_TensorType": (c_int, (c_void_p,)),
    "TF_NumDims": (c_int, (c_void_p,)),
    "TF_Dim": (c_int64, (c_void_p, c_int)),
    "TF_TensorByteSize": (c_size_t, (c_void_p,)),
    "TF_TensorData": (c_void_p, (c_void_p,)),
    "TF_NewBuffer": (POINTER(Buffer), ()),
    "TF_DeleteBuffer": (None, (POINTER(Buffer),)),
    "TF_NewSessionOptions": (c_void_p, ()),
    "TF_SetConfig": (None, (c_void_p, c_char_p, c_size_t, c_void_p)),
    "TF_DeleteSessionOptions": (None, (c_void_p,)),
    "TF_NewGraph": (c_void_p, ()),
    "TF_TensorFromProto": (None, (POINTER(Buffer), c_void_p, c_void_p)),
    "TF_GraphOperationByName": (c_void_p, (c_void_p, c_char_p)),
    "TF_OperationNumOutputs": (c_int, (c_void_p,)),
    "TF_GraphGetOpDef": (None, (c_void_p, c_char_p, POINTER(Buffer), c_void_p)),
    "TF_DeleteLibraryHandle": (None, (c_void_p,)),
    "TF_Version": (c_char_p, ()),
}
_SLOW: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "TF_LoadSessionFromSavedModel": (
        c_void_p,
        (
            c_void_p,
            c_void_p,
            c_char_p,
            POINTER(c_char_p),
            c_int,
            c_void_p,
            POINTER(Buffer),
            c_void_p,
        ),
    ),
    "TF_SessionRun": (
        None,
        (
            c_void_p,
            POINTER(Buffer),
            POINTER(Output),
            POINTER(c_void_p),
            c_int,
            POINTER(Output),
            POINTER(c_void_p),
            c_int,
            c_void_p,
            c_int,
            c_void_p,
            c_void_p,
        ),
    ),
    "TF_TensorFromProto": (None, (POINTER(Buffer), c_void_p, c_void_p)),
    "TF_NewSession": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "TF_CloseSession": (None, (c_void_p, c_void_p)),
    "TF_DeleteSession": (None, (c_void_p, c_void_p)),
    "TF_DeleteGraph": (None, (c_void_p,)),
    "TF_LoadLibrary": (c_void_p, (c_char_p, c_void_p)),
}


@dataclass(frozen=True, slots=True)
class Api:
    """The loaded libraries.

    Args:
        quick: Functions that return at once; they keep the GIL.
        slow: Functions that compute, read files or wait; they release the GIL.
        version: TensorFlow's own version, such as "2.21.0".
    """

    quick: Any
    slow: Any
    version: str

    def check(self, status: int) -> None:
        """Raise what `status` says.

        Raises:
            StatusError: With TensorFlow's code and message, unless the status is OK.
        """
        code = self.quick.TF_GetCode(status)
        if code:
            message = self.quick.TF_Message(status) or b""
            raise StatusError(code, message.decode(errors="surrogateescape"))


def package_directory() -> Path:
    """Where the `tensorflow` package lies, found without importing it.

    Raises:
        ServerError: TensorFlow is not installed in this environment.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "The embedded model server needs TensorFlow's libraries, and no `tensorflow` is installed for "
            f"{sys.executable}: install `pytest-tfsig[embedded]`, or serve with a container or a remote server."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _libraries(package: Path) -> tuple[Path, Path]:
    names = (
        ("libtensorflow_framework.2.dylib", "libtensorflow_cc.2.dylib")
        if sys.platform == "darwin"
        else ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2")
    )
    framework, cc = (package / name for name in names)
    for library in (framework, cc):
        if not library.exists():
            raise ServerError(
                f"{library} is missing, which has TensorFlow's C API: the embedded model server needs a wheel of "
                f"TensorFlow {_TRIED} for Linux or macOS."
            )
    return framework, cc


def _refuse_untried(version: str | None = None) -> None:
    reason = requirements.why_not_tensorflow(version)
    if reason is not None:
        raise ServerError(f"The embedded server cannot be started: {reason}.")


def _open(libraries: Iterable[Path]) -> dict[Path, int]:
    """Open libraries through ctypes, which gives up the GIL meanwhile: TensorFlow's start-up code runs for 0.4 s."""
    dlopen = CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = c_void_p, (c_char_p, c_int)
    dlerror = PyDLL(None).dlerror
    dlerror.restype = c_char_p
    # local: TensorFlow brings its own TLS library, whose names must not stand in for those of Python's
    flags = os.RTLD_NOW | os.RTLD_LOCAL
    handles = {}
    for library in libraries:
        handle = dlopen(os.fsencode(library), flags)
        if not handle:
            raise ServerError(f"{library} cannot be loaded: {(dlerror() or b'').decode(errors='replace')}.")
        handles[library] = int(handle)
    return handles


@contextmanager
def _silenced() -> Iterator[None]:
    """Send what TensorFlow's start-up code writes to the standard error stream nowhere.

    It tells which CPU features there are and that no GPU is, and no setting keeps it from doing so.
    """
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_loading: Final = threading.Lock()


def load() -> Api:
    """Load TensorFlow's libraries into this process, once.

    Raises:
        ServerError: TensorFlow is missing, is a version that was never tried, or cannot be loaded.
    """
    with _loading:
        return _load()


@cache
def _load() -> Api:
    package = package_directory()
    _refuse_untried()  # before what may crash is loaded; what another distribution brought tells its version itself
    framework, cc = _libraries(package)
    # TensorFlow reads these when it starts. Information and warnings tell a user nothing about a contract; a GPU is
    # for those who ask for it, as the official image has none.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with _silenced():
        api = _bind(_open((framework, cc)), framework, cc)
        _find_devices(api)
    _refuse_untried(api.version)
    return api


def _find_devices(api: Api) -> None:
    """Make TensorFlow look for devices, as the first session of a process does."""
    status, options, graph = api.quick.TF_NewStatus(), api.quick.TF_NewSessionOptions(), api.quick.TF_NewGraph()
    session = api.slow.TF_NewSession(graph, options, status)
    if session:
        api.slow.TF_DeleteSession(session, status)
    api.slow.TF_DeleteGraph(graph)
    api.quick.TF_DeleteSessionOptions(options)
    api.quick.TF_DeleteStatus(status)


def _bind(handles: dict[Path, int], framework: Path, cc: Path) -> Api:
    class Functions:
        """A namespace of functions."""

    def bind(kind: type[CDLL], table: dict[str, tuple[Any, tuple[Any, ...]]]) -> Any:
        libraries = [kind(str(path), handle=handles[path]) for path in (cc, framework)]
        functions = Functions()
        for name, (result, arguments) in table.items():
            function = next((getattr(lib, name) for lib in libraries if hasattr(lib, name)), None)
            if function is None:
                raise ServerError(f"{cc} has no {name}: it is not the C API of TensorFlow {_TRIED}.")
            function.restype, function.argtypes = result, arguments
            setattr(functions, name, function)
        return functions

    quick = bind(PyDLL, _QUICK)
    return Api(quick, bind(CDLL, _SLOW), quick.TF_Version().decode())


def version() -> str:
    """TensorFlow's version, read from the library."""
    return load().version
