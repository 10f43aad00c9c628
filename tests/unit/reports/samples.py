"""Runs as reports see them: plain, and as hostile as a model's names, messages and bytes can be."""

from __future__ import annotations

from pytest_tfsig.latency import figures
from pytest_tfsig.reports import ModelIdentity, Result
from pytest_tfsig.reports.inputs import as_data
from pytest_tfsig.reports.sums import SumErrors
from pytest_tfsig.strategies.source import generator

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m\x00\u202e{{ 7 * 7 }}%0A::error::|`*\ud800]]>"
)
"""Markup, quotes, terminal control, a change of direction, a template, a workflow command and half a character."""

DIGITS = ModelIdentity("models/digits", "digits", 3, "ab" * 32)
SERVER = {"kind": "embedded", "description": "embedded model server", "chosen": "as asked"}
FAILURE = """\
the probabilities in output 'scores' sum to 3, not to 1
  smallest input that shows it:
    x = float32 [1, 4] [[0., 0., 0., 0.]]
  expected:
    a sum of 1 within 1e-05 along axis -1
  actual:
    3 at [0]: float32 [1, 3] [[1., 1., 1.]]
  reproduce:
    $ curl -d '{}' http://localhost:8501/v1/models/digits:predict
  what to do:
    Say tf.nn.softmax(logits, axis=-1)."""


def result(check="outputs", verdict="pass", model=DIGITS, **more):
    return Result(
        model, **{"signature": "serving_default", "check": check, "verdict": verdict, "message": "held", **more}
    )


def sums():
    errors = SumErrors(1e-5)
    errors.add([0.0, 1e-7, 2e-7, 2.0])
    return errors.as_dict()


def picture(side=28, pixels=None):
    """A failure for an image of noise."""
    image = generator(3).random((1, side, side, 3)).astype("float32") if pixels is None else pixels
    return failure(falsifying={"image": "image = float32 [1, 28, 28, 3] ..."}, inputs=as_data({"image": image}))


def failure(**more):
    stated = {
        "check": "values",
        "verdict": "fail",
        "message": FAILURE.split("\n", 1)[0],
        "text": FAILURE,
        "examples": 90,
        "seconds": 0.25,
        "expected": "a sum of 1 within 1e-05 along axis -1",
        "actual": "3 at [0]: float32 [1, 3] [[1., 1., 1.]]",
        "advice": "Say tf.nn.softmax(logits, axis=-1).",
        "falsifying": {"x": "x = float32 [1, 4] [[0., 0., 0., 0.]]"},
        "inputs": {"x": {"dtype": "float32", "shape": [1, 4], "values": [[0.0, 0.25, -0.0, "nan"]], "pictures": []}},
        "details": {"probability_sums": {"scores": sums()}},
        "reproduce": {
            "curl": "curl -d '{}' http://localhost:8501/v1/models/digits:predict",
            "python": "import numpy as np",
        },
        "contract": "test_digits.py",
        "test": "test_digits.py::test_contract[serving_default-values]",
        "file": "tests/test_digits.py",
        "line": 12,
    }
    return result(**{**stated, **more})


def budget(label="p99 <= 25ms", verdict="pass", points=200):
    curve = [(0.001 * 1.02**i, (i + 1) / points) for i in range(points)]
    line = figures.Line(label, 0.025, 0.99)
    sentence = f"the budget {label} holds"
    return {"budget": label, "verdict": verdict, "sentence": sentence, "svg": figures.svg(curve, line)}


def latency(**more):
    details = {"budgets": [budget(), budget("p50 <= 1ms", "fail")]}
    return result("latency", "fail", message="p50 is 3 ms", examples=611, **{"details": details, **more})


def drift():
    return {"outputs": {"scores": {"largest": 0.125, "typical": 0.00012346, "flips": 3, "rows": 320}}, "refused": 0}


def comparison():
    def percentiles(factor):
        return {"p50": {"value": 0.0012 * factor, "low": 0.001, "high": 0.002, "confidence": 0.95}, "p99": None}

    return {"comparison": {"sentence": "slower", "baseline": percentiles(1), "candidate": percentiles(2)}}


def run():
    """One of everything."""
    other = ModelIdentity("models/wine", "wine", 1, "cd" * 32)
    return [
        result("loads"),
        result("signature", message="1 input and 1 output as stated"),
        result("outputs", examples=100, seconds=0.4),
        failure(),
        latency(),
        result("rejects_invalid", details={"silently_accepted": ["a wrong rank"], "wrong_code": []}),
        result("concurrent", "inconclusive", message="too few requests"),
        result("drift", details=drift()),
        result("no_slower", details=comparison()),
        result("warmup", "skip", message="the SavedModel has no warmup file"),
        result("loads", model=other),
        result("outputs", "error", model=other, message="could not be judged: UNAVAILABLE"),
    ]


def hostile():
    """Every text of a report is HOSTILE."""
    model = ModelIdentity(HOSTILE, HOSTILE, 1)
    values = {
        **dict.fromkeys(("text", "expected", "actual", "advice", "contract"), HOSTILE),
        "falsifying": {HOSTILE: HOSTILE, "table": HOSTILE},
        "inputs": {
            HOSTILE: {"dtype": HOSTILE, "shape": [1], "values": None, "pictures": [f"data:image/png;base64,{HOSTILE}"]},
            "table": {"dtype": "tf.Example", "shape": [1], "values": [{HOSTILE: HOSTILE}], "pictures": []},
        },
    }
    details = {"budgets": [{**budget(), "svg": f"<svg>{HOSTILE}</svg>"}], HOSTILE: HOSTILE}
    places = {"test": HOSTILE, "file": HOSTILE, "reproduce": {"curl": HOSTILE, "python": HOSTILE}, "signature": HOSTILE}
    return [
        result("latency", "fail", model, message=HOSTILE, details=details, **values, **places),
        result("values", "error", model, message=HOSTILE, **values, **places),
    ]
