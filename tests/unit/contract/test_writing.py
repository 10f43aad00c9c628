"""Contracts written as files: everything that one may say, as its reader sees it."""

from pathlib import Path

import pytest

from pytest_tfsig import contract
from pytest_tfsig.contract import (
    Argmax,
    Contract,
    Feature,
    LatencyBudget,
    Monotone,
    PaddingInvariant,
    PermutationInvariant,
    Probabilities,
    Signature,
    Tensor,
)
from pytest_tfsig.errors import ContractError

QUOTED = 'ü "q"'
EVERYTHING = Contract(
    {
        "serving_default": Signature(
            "serving_default",
            {
                "image": Tensor("float32", ["batch", 8, 8], min=0, max=1),
                "raw": Tensor("string", ["batch"]),
                "open": Tensor("int32", ["batch", "?"]),
                "texts": Tensor("string", ["batch"], values=["a", b"\xff"]),
                "latin": Tensor("string", ["batch"], values=["é"], encoding="latin-1"),
                "examples": Tensor(
                    "string",
                    ["batch"],
                    features={
                        "a b": Feature("float32", [2], default=[0, 1]),
                        "t": Feature("string", None, kind="variable"),
                        "i": Feature("string", image="png"),
                    },
                ),
            },
            {
                "y": Probabilities("float32", ["batch", 10]),
                "z": Tensor("float32", ["batch"]),
                "w": Probabilities("float32", ["batch", 3], atol=0.5),
                "v": Probabilities("float32", ["batch", 3, 2], axis=1),
            },
            dims={"batch": (1, 4)},
            latency=[{"p99": "25ms", "batch": 8, "seconds": "2s"}, {"error_rate": 0.001}],
            checks={"drift": False, "finite": True, "batch_invariant": {"rtol": 1e-4, "by": {"a": 1}}},
            relations=(
                Argmax("z", "y"),
                Monotone("image", "z", direction="decreasing", feature=3),
                PermutationInvariant("image", axis=2, outputs=("y",)),
                PaddingInvariant("raw", value="x"),
            ),
        ),
        QUOTED: Signature(QUOTED, {"x": Tensor("float32", ["batch", "time"])}, {"y": Tensor("float32")}),
    },
    Path("/m"),
    consumer="search-api",
    pending=True,
)
REMARKS = {(QUOTED, "inputs", "x"): "min and max: the graph\nlooks it up.", (QUOTED, "dims", "time"): "time: a note."}
WRITTEN = """\
# What callers of this model may rely on. pytest proves it against the model as it is served.
# Shapes: a number is that size, a name is one size wherever it appears, "?" is any size; without a shape, any rank.

model = "/m"

consumer = "search-api"

pending = true

[signatures.serving_default]
method = "predict"

[signatures.serving_default.inputs.image]
dtype = "float32"
shape = ["batch", 8, 8]
min = 0
max = 1

[signatures.serving_default.inputs.raw]
dtype = "string"
shape = ["batch"]
# encoding = "utf-8", image = "png", values or vocabulary = [...] say what the bytes are.

[signatures.serving_default.inputs.open]
dtype = "int32"
shape = ["batch", "?"]
# min = 0, max = 9 or values = [...] say what callers send.

[signatures.serving_default.inputs.texts]
dtype = "string"
shape = ["batch"]
values = ["a", { b64 = "/w==" }]

[signatures.serving_default.inputs.latin]
dtype = "string"
shape = ["batch"]
values = ["é"]
encoding = "latin-1"

[signatures.serving_default.inputs.examples]
dtype = "string"
shape = ["batch"]

[signatures.serving_default.inputs.examples.features]
[signatures.serving_default.inputs.examples.features."a b"]
dtype = "float32"
shape = [2]
default = [0, 1]

[signatures.serving_default.inputs.examples.features.t]
dtype = "string"
kind = "variable"

[signatures.serving_default.inputs.examples.features.i]
dtype = "string"
image = "png"
shape = []

[signatures.serving_default.outputs.y]
dtype = "float32"
shape = ["batch", 10]
probabilities = true

[signatures.serving_default.outputs.z]
dtype = "float32"
shape = ["batch"]
# min, max or values say what callers get; probabilities = true: in [0, 1] and summing to 1.

[signatures.serving_default.outputs.w]
dtype = "float32"
shape = ["batch", 3]
probabilities = { atol = 0.5 }

[signatures.serving_default.outputs.v]
dtype = "float32"
shape = ["batch", 3, 2]
probabilities = { axis = 1 }

[signatures.serving_default.dims]
batch = [1, 4]

[[signatures.serving_default.latency]]
p99 = "25ms"
batch = 8
seconds = "2s"

[[signatures.serving_default.latency]]
error_rate = 0.001

[signatures.serving_default.checks]
drift = false
finite = true
batch_invariant = { rtol = 0.0001, by = { a = 1 } }

[[signatures.serving_default.relations]]
kind = "argmax"
output = "z"
of = "y"

[[signatures.serving_default.relations]]
kind = "monotone"
input = "image"
output = "z"
direction = "decreasing"
feature = 3

[[signatures.serving_default.relations]]
kind = "permutation_invariant"
input = "image"
axis = 2
outputs = ["y"]

[[signatures.serving_default.relations]]
kind = "padding_invariant"
input = "raw"
value = "x"

[signatures."ü \\"q\\""]
method = "predict"

[signatures."ü \\"q\\"".inputs.x]
dtype = "float32"
shape = ["batch", "time"]
# min and max: the graph looks it up.

[signatures."ü \\"q\\"".outputs.y]
dtype = "float32"
# min, max or values say what callers get; probabilities = true: in [0, 1] and summing to 1.

# [signatures."ü \\"q\\"".dims]
# batch = [1, 32]   # smallest and largest size that is sent
# time = [1, 16]   # smallest and largest size that is sent
# time: a note.

# [[signatures."ü \\"q\\"".latency]]
# p99 = "25ms"   # or p50, p90, p95, "p99.9", mean, first_request, error_rate
"""


def test_everything_that_a_contract_may_say_is_written():
    assert contract.dumps(EVERYTHING, REMARKS) == WRITTEN
    assert contract.loads(WRITTEN) == EVERYTHING


def test_a_contract_that_says_nothing_is_its_header():
    assert contract.dumps(Contract()) == "".join(WRITTEN.splitlines(keepends=True)[:2])


def test_a_remark_takes_the_place_of_a_hint_beside_what_is_stated_and_is_wrapped():
    stated = Signature("s", {"x": Tensor("float32", [2], min=0)}, {"y": Tensor("float32", [2], min=0)})
    written = contract.dumps(Contract({"s": stated}), {("s", "inputs", "x"): "word " * 30})
    inputs, outputs = written.split("[signatures.s.outputs.y]")
    assert inputs.endswith(f"min = 0\n# {('word ' * 22).strip()}\n# {('word ' * 8).strip()}\n\n")
    assert outputs.split("\n\n")[0] == '\ndtype = "float32"\nshape = [2]\nmin = 0'


@pytest.mark.parametrize(
    ("checks", "written"),
    [
        ({"a": {"b": [1, 2.5, "c", b"d", True, (1,)]}}, 'a = { b = [1, 2.5, "c", "d", true, [1]] }'),
        ({"a": {"b c": {}, "é": b"\xff"}}, 'a = { "b c" = {  }, "é" = { b64 = "/w==" } }'),
        ({"": True, "x.y": False}, '"" = true\n"x.y" = false'),
        ({"a": {"b": '\x7f"\\\n\t'}}, 'a = { b = "\\u007f\\"\\\\\\n\\t" }'),
    ],
)
def test_values_are_written_as_toml(checks, written):
    text = contract.dumps(Contract({"s": Signature("s", checks=checks)}))
    assert text.split("[signatures.s.checks]\n")[1] == f"{written}\n"
    contract.loads(text)


@pytest.mark.parametrize(
    ("budget", "written"),
    [
        (LatencyBudget("p50", 0.005), 'p50 = "5ms"'),
        (LatencyBudget("p99.9", 1.5, concurrency=4, rate=2.5), '"p99.9" = "1.5s"\nconcurrency = 4\nrate = 2.5'),
        (LatencyBudget("mean", 1.0, transport="rest", test="fixed"), 'mean = "1s"\ntransport = "rest"\ntest = "fixed"'),
        (LatencyBudget("first_request", 1.0, warmup=0), 'first_request = "1s"\nwarmup = 0'),
        (LatencyBudget("error_rate", 0.25, seconds=90, requests=7), 'error_rate = 0.25\nrequests = 7\nseconds = "90s"'),
    ],
)
def test_a_budget_is_written_with_what_differs_from_the_defaults(budget, written):
    text = contract.dumps(Contract({"s": Signature("s", latency=[budget])}))
    assert text.split("[[signatures.s.latency]]\n")[1] == f"{written}\n"
    assert contract.loads(text).signatures["s"].latency == (budget,)


def test_bytes_that_are_no_text_of_their_encoding_are_written_as_base64():
    stated = Signature("s", {"x": Tensor("string", [], values=[b"\xff\xfea\x00", b"a\x00"], encoding="utf-16")})
    text = contract.dumps(Contract({"s": stated}))
    assert 'values = ["a", { b64 = "YQA=" }]' in text
    assert contract.loads(text).signatures["s"] == stated


def test_what_cannot_be_written_is_named():
    with pytest.raises(ContractError) as raised:
        contract.dumps(Contract({"s": Signature("s", checks={"drift": {"bound": None}})}))
    assert str(raised.value) == "signatures.s.checks.drift: {'bound': None} cannot be written to a file."
