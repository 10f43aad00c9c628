"""Custom ops that crash: at load, and at one input."""

from __future__ import annotations

import pytest

from tests.crashing_op import crashing_model, op_library

__all__ = ["crashing_model", "op_library"]

pytestmark = pytest.mark.slow


def test_an_op_that_crashes_at_one_input_is_told_with_it_and_the_others_are_judged(suite, crashing_model):
    model, library = crashing_model
    suite.write(
        """
@pytest.mark.tfsig_contract(
    inputs={"x": Tensor("float32", ["batch", 4], min=0, max=1000)}, outputs={"y": Tensor("float32", ["batch", 4])}
)
def test_contract(tfsig_check):
    tfsig_check()

def test_after(served_model):
    assert served_model.predict({"x": [[1.0] * 4]})["y"].tolist() == [[1.0] * 4]
""",
        model,
        contract=False,
    )
    names = "loads or signature or outputs or after"
    result = suite.run("-v", "-k", names, f"--tfsig-op-library={library}", "--tfsig-report=report")
    result.assert_outcomes(passed=3, failed=1)
    judged = {entry["check"]: entry for entry in suite.report()["results"]}
    assert judged["outputs"]["message"] == "the server died while it answered this request"
    assert "killed by SIGSEGV" in judged["outputs"]["text"] or "the server process ended" in judged["outputs"]["text"]
    assert "Traceback" not in result.stdout.str()


def test_an_op_library_that_crashes_at_load_is_one_error_of_the_start(suite, op_library, models):
    suite.write("", models("classifier"))
    result = suite.run("-k", "loads or outputs", f"--tfsig-op-library={op_library(aborts=True)}")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*The embedded server ended at once (killed by SIGABRT). Its log:*"])
    assert "Traceback" not in result.stdout.str()
