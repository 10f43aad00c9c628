"""Signatures, budgets and relations of a contract."""

import dataclasses

import pytest

from pytest_tfsig.contract import (
    BATCH_RANGE,
    SIZE_RANGE,
    Argmax,
    Contract,
    LatencyBudget,
    Monotone,
    PaddingInvariant,
    PermutationInvariant,
    Signature,
    Tensor,
)
from pytest_tfsig.contract.durations import format_duration, parse_duration
from pytest_tfsig.errors import ContractError

X = {"x": Tensor("float32", ["batch", "time", "?"])}
Y = {"y": Tensor("float32", ["batch", 10])}


def test_everything_is_frozen():
    for instance in (Tensor("float32"), Signature(), LatencyBudget("p99", 1), Contract(), Argmax("a", "b")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(instance, dataclasses.fields(instance)[0].name, None)


def test_sizes_of_dimensions():
    signature = Signature("s", X, Y, dims={"time": [2, 5]})
    assert signature.dimension_names == ("batch", "time")
    assert signature.dim_range("time") == (2, 5)
    assert signature.dim_range("batch") == BATCH_RANGE
    assert signature.dim_range(None) == SIZE_RANGE


def test_latency_is_understood_in_every_form():
    budgets = (LatencyBudget("p50", 0.005, batch=8), LatencyBudget("p99", 0.025, batch=8))
    stated = {"p50": "5ms", "p99": "25ms", "batch": 8}
    for latency in (stated, [stated], budgets, [budgets[0], {"p99": "25ms", "batch": 8}]):
        assert Signature(latency=latency).latency == budgets


def test_a_budget_for_people():
    budget = LatencyBudget("p99", 0.025, batch=8, rate=50.0, transport="rest")
    assert budget.description == "p99 <= 25ms, batch 8, 50 requests/s, REST"
    assert LatencyBudget("error_rate", 0.001).description == "error_rate <= 0.1%"
    assert budget.percentile == 0.99
    assert LatencyBudget("mean", 1).percentile is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("25ms", 0.025),
        ("1.5s", 1.5),
        ("800us", 800e-6),
        ("800µs", 800e-6),
        ("2 min", 120),
        (".5s", 0.5),
        ("5e2ns", 5e-7),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["20", "ms", "", "-20ms", "0ms", "1e999s", "20 parsecs", "1,5s", "nan s", 20, None, "٣ms "]
)
def test_bad_durations(text):
    with pytest.raises(ContractError, match=r'"800us", "25ms" or "1\.5s"'):
        parse_duration(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "is not a signature's name"),
        ({"method": "predct"}, 'method: "predct" is none of .*; did you mean "predict"'),
        ({"inputs": [1]}, r"inputs: \[1\] is no mapping"),
        ({"inputs": {"x": "float32"}}, "inputs.x: 'float32' is no tensor; write Tensor"),
        ({"inputs": {3: Tensor()}}, "inputs: 3 is not a tensor's name"),
        ({"dims": {"a b": (1, 2)}}, "dims: 'a b' is not a dimension's name"),
        ({"dims": {"batch": 3}}, "dims.batch: 3 is not a smallest and a largest size"),
        ({"dims": {"batch": (1, 2, 3)}}, "dims.batch: "),
        ({"dims": {"batch": (-1, 2)}}, "dims.batch: "),
        ({"dims": {"batch": (64, 1)}}, r"dims.batch: \[64, 1\] is empty"),
        ({"dims": {"bach": (1, 2)}}, 'dims.bach: no shape has a dimension of that name; did you mean "batch"'),
        ({"latency": "25ms"}, "latency: '25ms' is no budget"),
        ({"latency": ["25ms"]}, r"latency\[0\]: '25ms' is no budget"),
        ({"latency": {"p99": "25"}}, r'latency\[0\].p99: "25" has no unit'),
        ({"latency": {"p98": "25ms"}}, r'latency\[0\].p98: unknown key; did you mean "p99"'),
        ({"latency": {"batch": 3}}, r"latency\[0\]: no metric is bounded"),
        ({"latency": {"p99": "25ms", "batch": 0}}, "batch = 0 is not a whole number of at least 1"),
        ({"latency": {"p99": "25ms", "rate": 0}}, "rate = 0 must be above 0"),
        ({"latency": {"p99": "25ms", "rate": "9"}}, "rate = '9' is not a finite number"),
        ({"latency": {"p99": "25ms", "seconds": "9"}}, r"latency\[0\].seconds: .* has no unit"),
        ({"latency": {"p99": "25ms", "confidence": 95}}, "confidence = 95 is not between 0.5 and 1"),
        ({"latency": {"p99": "25ms", "transport": "http"}}, "transport = 'http' is none of grpc, rest"),
        ({"latency": {"p99": "25ms", "test": "exact"}}, "test = 'exact' is none of sequential, fixed"),
        ({"latency": {"error_rate": "often"}}, "error_rate = 'often' is not a share"),
        ({"latency": {"error_rate": "x%"}}, "error_rate = 'x%' is not a share"),
        ({"latency": {"error_rate": 1}}, "error_rate = 1.0 is not a share from 0 to below 1"),
        ({"checks": {"finite": "no"}}, "checks.finite: 'no' is not false, true or a table"),
        ({"relations": [Argmax("y", "z")]}, r'relations\[0\]: there is no output "z"'),
        ({"relations": [Monotone("z", "y")]}, r'relations\[0\]: there is no input "z"'),
        ({"method": "classify", "inputs": {**X, "z": Tensor()}}, "inputs: classify takes one input"),
        ({"method": "classify"}, "inputs.x: classify takes tf.Examples of dtype string, not float32"),
        ({"method": "classify", "inputs": {}}, "outputs.y: classify answers with classes and scores only"),
        ({"method": "regress", "inputs": {}}, "outputs.y: regress answers with outputs only"),
    ],
)
def test_bad_signatures(arguments, message):
    with pytest.raises(ContractError, match=message):
        Signature(**{"inputs": X, "outputs": Y, **arguments})


@pytest.mark.parametrize("arguments", [("p98", 1.0), ("p99", 0), ("p99", -1), ("p99", float("nan")), ("p99", "25ms")])
def test_bad_budgets(arguments):
    with pytest.raises(ContractError):
        LatencyBudget(*arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Monotone("x", "y", direction="up"),
        lambda: Monotone("x", "y", atol=-1),
        lambda: PermutationInvariant("x", axis=0),
        lambda: PaddingInvariant("x", axis=0),
    ],
)
def test_bad_relations(make):
    with pytest.raises(ContractError):
        make()


def test_a_signature_under_a_wrong_name():
    with pytest.raises(ContractError, match='signature "a" is filed under "b"'):
        Contract({"b": Signature("a")})
