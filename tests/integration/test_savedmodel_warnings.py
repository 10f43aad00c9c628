"""What a reader says of unrestored variables is what the loader of TensorFlow Serving shows."""

import subprocess
import sys

import pytest

from pytest_tfsig import savedmodel

pytest.importorskip("tensorflow_serving")

RUN = """
import sys
from pathlib import Path
import numpy as np
from pytest_tfsig import savedmodel
from pytest_tfsig.model_server.engine import Session
from pytest_tfsig.model_server.status import StatusError
session = Session.load(Path(sys.argv[1]))
signature = savedmodel.read(sys.argv[1]).signatures["serving_default"]
feeds = {spec.tensor_name: np.zeros((2, 4), np.float32) for spec in signature.inputs.values()}
try:
    session.run(feeds, [spec.tensor_name for spec in signature.outputs.values()])
except StatusError as error:
    print(error)
else:
    print("answered")
"""


@pytest.mark.parametrize(
    "name", ["keras_archive", "keras_exported", "keras_in_a_module", "keras_saved_wrongly", "keras_tracked"]
)
def test_a_warning_is_given_exactly_where_the_loader_fails(models, name):
    model = savedmodel.read(models(name))
    warned = "variables-not-restored" in {warning.id for warning in model.warnings}
    run = subprocess.run([sys.executable, "-c", RUN, str(model.path)], capture_output=True, text=True, check=False)
    assert ("Could not find variable" in run.stdout) is warned, run.stderr
    assert ("answered" in run.stdout) is not warned, run.stderr
