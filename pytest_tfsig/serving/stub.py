"""The official client's stub, without the `tensorflow` package that importing it would run."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

from pytest_tfsig.errors import UsageError

__all__ = ["prediction_stub"]

_LOCK = threading.Lock()


def prediction_stub(channel: Any) -> Any:
    """Return a `PredictionServiceStub` of tensorflow-serving-api on a channel.

    Its message modules import `tensorflow.core.…`, which are plain message modules too; only `tensorflow/__init__`
    is heavy (over 4 s). While they are imported, an empty package stands in its place.

    Raises:
        UsageError: tensorflow-serving-api is not installed.
    """
    if importlib.util.find_spec("tensorflow_serving") is None:
        raise UsageError(
            "The official client is not installed: pip install tensorflow-serving-api, or use served_model.predict."
        )
    with _LOCK:
        module = _service_module()
    return module.PredictionServiceStub(channel)


def _service_module() -> Any:
    name = "tensorflow_serving.apis.prediction_service_pb2_grpc"
    if "tensorflow" in sys.modules or name in sys.modules:
        return importlib.import_module(name)
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.submodule_search_locations is None:
        raise UsageError("The official client needs TensorFlow's message classes: pip install tensorflow.")
    stand_in = ModuleType("tensorflow")
    stand_in.__path__ = list(found.submodule_search_locations)
    sys.modules["tensorflow"] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        # A test that imports tensorflow itself must get the real one. The message modules stay: imported a second
        # time they would register the same messages again.
        del sys.modules["tensorflow"]
