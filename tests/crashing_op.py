"""A custom op that crashes its process: compiled on the spot, with a model that calls it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# TensorFlow's C API, of which no more is declared than is called.
_SOURCE = """
#include <stdlib.h>
extern void *TF_NewStatus(void), *TF_NewOpDefinitionBuilder(const char *), *TF_TensorData(void *);
extern void TF_DeleteStatus(void *), TF_DeleteTensor(void *);
extern void TF_OpDefinitionBuilderAddInput(void *, const char *), TF_OpDefinitionBuilderAddOutput(void *, const char *);
extern void TF_RegisterOpDefinition(void *, void *), TF_RegisterKernelBuilder(const char *, void *, void *);
extern void *TF_NewKernelBuilder(const char *, const char *, void *(*)(void *), void (*)(void *, void *),
                                 void (*)(void *));
extern void TF_GetInput(void *, int, void **, void *), TF_SetOutput(void *, int, const void *, void *);
extern size_t TF_TensorByteSize(void *);
extern void TF_ShapeInferenceContextSetUnknownShape(void *, void *);
extern void TF_OpDefinitionBuilderSetShapeInferenceFunction(void *, void (*)(void *, void *));

static void compute(void *kernel, void *context) {
  void *status = TF_NewStatus(), *x = NULL;
  TF_GetInput(context, 0, &x, status);
  if (TF_TensorByteSize(x) > 0 && *(float *)TF_TensorData(x) > 100) *(volatile int *)NULL = 1;
  TF_SetOutput(context, 0, x, status);
  TF_DeleteTensor(x);
  TF_DeleteStatus(status);
}

__attribute__((constructor)) static void load(void) {
#ifdef ABORTS
  abort();
#endif
  void *status = TF_NewStatus(), *op = TF_NewOpDefinitionBuilder("TfsigCrashing");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, &TF_ShapeInferenceContextSetUnknownShape);
  TF_RegisterOpDefinition(op, status);
  TF_RegisterKernelBuilder("TfsigCrashing", TF_NewKernelBuilder("TfsigCrashing", "CPU", NULL, &compute, NULL), status);
  TF_DeleteStatus(status);
}
"""
_MODEL = """
import sys
import tensorflow as tf

library = tf.load_op_library(sys.argv[1])
module = tf.Module()

@tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
def serve(x):
    return {"y": tf.ensure_shape(library.tfsig_crashing(x=x), [None, 4])}

tf.saved_model.save(module, sys.argv[2], signatures=serve)
"""


@pytest.fixture(scope="session")
def op_library(tmp_path_factory) -> Callable[..., Path]:
    """Compiles the op, which crashes where its first number is above 100; or one that aborts when it is loaded."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler makes this test's op")

    def make(*, aborts: bool = False) -> Path:
        folder = tmp_path_factory.mktemp("op")
        (folder / "op.c").write_text(_SOURCE)
        framework = Path(importlib.util.find_spec("tensorflow").origin).parent / "libtensorflow_framework.so.2"
        words = [compiler, "-shared", "-fPIC", *(["-DABORTS"] if aborts else []), "-o", str(folder / "op.so")]
        subprocess.run([*words, str(folder / "op.c"), str(framework)], check=True)
        return folder / "op.so"

    return make


@pytest.fixture(scope="session")
def crashing_model(op_library, tmp_path_factory) -> tuple[Path, Path]:
    """Builds a model that calls the op; gives the model and the op's library."""
    library = op_library()
    base = tmp_path_factory.mktemp("crashing")
    subprocess.run([sys.executable, "-c", _MODEL, str(library), str(base / "1")], check=True, capture_output=True)
    return base, library
