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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (60.0, "60s"),
        (1.0, "1s"),
        (0.999, "999ms"),
        (1.5, "1.5s"),
        (0.025, "25ms"),
        (0.001, "1ms"),
        (parse_duration("800us"), "800us"),
        (1e-6, "1us"),
        (1e-9, "1ns"),
        (5e-10, "5e-10s"),
        (1 / 3, "333.3333333333333ms"),
        (1234567.0, "1234567.0s"),
    ],
)
def test_durations_are_written_in_the_largest_unit_that_reads_back(seconds, text):
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (20, "20 is not a duration"),
        ("soon", '"soon" is not a duration'),
        ("20", '"20" has no unit'),
        ("20 parsecs", '"20 parsecs" has the unknown unit "parsecs"'),
        ("0ms", '"0ms" is not a duration above zero'),
        ("1e999s", '"1e999s" is not a duration above zero'),
    ],
)
def test_a_bad_duration_says_why_and_what_a_good_one_is(text, why):
    with pytest.raises(ContractError) as raised:
        parse_duration(text)
    assert str(raised.value) == f'{why}; write it with a unit: "800us", "25ms" or "1.5s".'


@pytest.mark.parametrize(
    ("budget", "description"),
    [
        (LatencyBudget("p50", 1.0), "p50 <= 1s"),
        (LatencyBudget("p50", 1.0, concurrency=4), "p50 <= 1s, concurrency 4"),
        (
            LatencyBudget("p50", 1.0, batch=2, concurrency=4, rate=0.5),
            "p50 <= 1s, batch 2, concurrency 4, 0.5 requests/s",
        ),
        (LatencyBudget("mean", 0.5, transport="rest"), "mean <= 500ms, REST"),
        (LatencyBudget("error_rate", 0.0125), "error_rate <= 1.25%"),
    ],
)
def test_a_budget_is_described_by_what_differs_from_the_defaults(budget, description):
    assert budget.description == description


@pytest.mark.parametrize(("stated", "limit"), [("0.1%", 0.001), (" 5 % ", 0.05), (0, 0.0), (0.25, 0.25), ("0%", 0.0)])
def test_error_rates_are_shares_or_percentages(stated, limit):
    [budget] = Signature(latency={"error_rate": stated}).latency
    assert budget.limit_seconds == pytest.approx(limit)


def test_every_option_of_a_budget_is_understood():
    options = {
        "batch": 2,
        "concurrency": 3,
        "rate": 4,
        "confidence": 0.6,
        "transport": "rest",
        "test": "fixed",
        "requests": 500,
        "seconds": "2s",
        "warmup": 0,
    }
    [budget] = Signature(latency={"p99": "25ms", **options}).latency
    assert budget == LatencyBudget("p99", 0.025, **{**options, "seconds": 2.0})
    assert Signature(latency={"p99": "25ms", "seconds": 3}).latency[0].seconds == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"requests": 0}, "requests = 0 is not a whole number of at least 1."),
        ({"batch": 1.5}, "batch = 1.5 is not a whole number of at least 1."),
        ({"batch": None}, "batch = None is not a whole number of at least 1."),
        ({"concurrency": True}, "concurrency = True is not a whole number of at least 1."),
        ({"concurrency": 0}, "concurrency = 0 is not a whole number of at least 1."),
        ({"warmup": -1}, "warmup = -1 is not a whole number of at least 0."),
        ({"rate": True}, "rate = True is not a finite number."),
        ({"rate": float("inf")}, "rate = inf is not a finite number."),
        ({"seconds": 0}, "seconds = 0 must be above 0."),
        ({"confidence": 0.5}, "confidence = 0.5 is not between 0.5 and 1; 0.95 is usual."),
        ({"confidence": 1}, "confidence = 1 is not between 0.5 and 1; 0.95 is usual."),
        ({"confidence": "high"}, "confidence = 'high' is not a finite number."),
        ({"transport": "http"}, "transport = 'http' is none of grpc, rest."),
        ({"test": "exact"}, "test = 'exact' is none of sequential, fixed."),
    ],
)
def test_a_bad_option_of_a_budget_is_named(options, message):
    with pytest.raises(ContractError) as raised:
        LatencyBudget("p99", 1.0, **options)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("metric", "limit", "message"),
    [
        ("p98", 1.0, '"p98" is not a metric; did you mean "p99"?'),
        ("p99", 0, "p99 = 0 must be above 0."),
        ("p99", "25ms", "p99 = '25ms' is not a finite number."),
        ("p99", 10**400, f"p99 = {10**400} is not a finite number."),
        ("p99", float("nan"), "p99 = nan is not a finite number."),
        ("error_rate", -0.1, "error_rate = -0.1 is not a share from 0 to below 1."),
        ("error_rate", 1, "error_rate = 1 is not a share from 0 to below 1."),
        ("error_rate", True, "error_rate = True is not a finite number."),
    ],
)
def test_a_bad_limit_is_named(metric, limit, message):
    with pytest.raises(ContractError) as raised:
        LatencyBudget(metric, limit)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"batch": 3}, 'latency[0]: no metric is bounded; write for example p99 = "25ms".'),
        ({"p99": "1s", "batches": 3}, 'latency[0].batches: unknown key; did you mean "batch"?'),
        ({"error_rate": True}, 'latency[0]: error_rate = True is not a share; write 0.001 or "0.1%".'),
        ({"error_rate": "0.1"}, "latency[0]: error_rate = '0.1' is not a share; write 0.001 or \"0.1%\"."),
        ({"error_rate": "x%"}, "latency[0]: error_rate = 'x%' is not a share; write 0.001 or \"0.1%\"."),
    ],
)
def test_a_bad_table_of_budgets_is_named(stated, message):
    with pytest.raises(ContractError) as raised:
        Signature(latency=stated)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "'' is not a signature's name; the usual one is serving_default."),
        ({"name": 3}, "3 is not a signature's name; the usual one is serving_default."),
        ({"method": "predct"}, 'method: "predct" is none of classify, predict or regress; did you mean "predict"?'),
        ({"inputs": {"": Tensor()}}, "inputs: '' is not a tensor's name."),
        (
            {"outputs": {"y": 1}},
            "outputs.y: 1 is no tensor; write Tensor(dtype, shape) or Probabilities(dtype, shape).",
        ),
        ({"outputs": 1}, 'outputs: 1 is no mapping of names to tensors; write {"x": Tensor("float32")}.'),
        ({"dims": {3: (1, 2)}}, "dims: 3 is not a dimension's name."),
        ({"dims": {"batch": "ab"}}, "dims.batch: 'ab' is not a smallest and a largest size; write batch = [1, 64]."),
        (
            {"dims": {"batch": (1, True)}},
            "dims.batch: (1, True) is not a smallest and a largest size; write batch = [1, 64].",
        ),
        (
            {"dims": {"batch": (1, 2.0)}},
            "dims.batch: (1, 2.0) is not a smallest and a largest size; write batch = [1, 64].",
        ),
        (
            {"dims": {"batch": (64, 1)}},
            "dims.batch: [64, 1] is empty: the smallest size is above the largest; swap them.",
        ),
        ({"latency": "25ms"}, 'latency: \'25ms\' is no budget; write {"p99": "25ms"} or a list of those.'),
        ({"latency": 25}, 'latency: 25 is no budget; write {"p99": "25ms"} or a list of those.'),
        ({"latency": [3]}, 'latency[0]: 3 is no budget; write {"p99": "25ms"}.'),
        ({"checks": {"finite": 1}}, "checks.finite: 1 is not false, true or a table of options."),
        ({"checks": ["finite"]}, "checks: ['finite'] is no mapping; write {\"concurrent\": False}."),
        ({"dims": [1, 64]}, 'dims: [1, 64] is no mapping; write {"batch": (1, 64)}.'),
        ({"relations": 3}, 'relations: 3 is no list; write [Argmax("class", "scores")].'),
        ({"relations": "argmax"}, 'relations: \'argmax\' is no list; write [Argmax("class", "scores")].'),
        (
            {"relations": Argmax("y", "y")},
            "relations: Argmax(output='y', of='y', axis=-1) is no list; write [Argmax(\"class\", \"scores\")].",
        ),
        (
            {"relations": [Monotone("x", "y"), 3]},
            "relations[1]: 3 is no relation; write Argmax, Monotone, PaddingInvariant or PermutationInvariant.",
        ),
        ({"relations": [Argmax("y", "z")]}, 'relations[0]: there is no output "z"; known: y.'),
        (
            {"relations": [Monotone("x", "y"), Monotone("xx", "y")]},
            'relations[1]: there is no input "xx"; did you mean "x"?',
        ),
        (
            {"method": "classify", "inputs": {**X, "z": Tensor()}},
            "inputs: classify takes one input, the tf.Examples, but 2 are stated.",
        ),
        ({"method": "classify"}, "inputs.x: classify takes tf.Examples of dtype string, not float32."),
        ({"method": "regress", "inputs": {}}, "outputs.y: regress answers with outputs only."),
        ({"method": "classify", "inputs": {}}, "outputs.y: classify answers with classes and scores only."),
    ],
)
def test_a_bad_signature_says_where_what_and_what_to_write(arguments, message):
    with pytest.raises(ContractError) as raised:
        Signature(**{"inputs": X, "outputs": Y, **arguments})
    assert str(raised.value) == message


def test_what_a_signature_may_be():
    assert Signature("s", X, Y, dims={"batch": (0, 0)}).dims == {"batch": (0, 0)}
    assert Signature("s", X, {}, dims={"other": (1, 2)}).dims == {"other": (1, 2)}
    assert Signature("s", X, {"y": Tensor()}, dims={"other": (1, 2)}).dims == {"other": (1, 2)}
    assert Signature("s", {}, {}, relations=[Monotone("a", "b")]).relations == (Monotone("a", "b"),)
    assert Signature("s", X, Y, checks={"drift": True, "finite": {"a": 1}}).checks == {
        "drift": True,
        "finite": {"a": 1},
    }
    texts = {"e": Tensor("string", ["batch"])}
    both = {"classes": Tensor("string"), "scores": Tensor("float32")}
    assert Signature("s", texts, both, method="classify").method == "classify"
    assert Signature("s", {"e": Tensor()}, {"outputs": Tensor()}, method="regress").method == "regress"
    assert (Signature().name, Signature().method, Signature(dims=None, checks=None).checks) == (
        "serving_default",
        "predict",
        {},
    )


def test_only_a_leading_name_of_an_input_is_drawn_like_a_batch():
    signature = Signature(
        "s", {"x": Tensor("float32", ["n", "m"]), "k": Tensor("int32", [])}, {"y": Tensor("float32", ["q"])}
    )
    assert [signature.dim_range(name) for name in ("n", "m", "q")] == [(1, 32), (1, 16), (1, 16)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Monotone("x", "y", direction="up"), 'direction = "up" is neither increasing nor decreasing.'),
        (lambda: Monotone("x", "y", atol=-1), "atol = -1 is not a number of 0 or more."),
        (lambda: Monotone("x", "y", atol="1e-6"), "atol = '1e-6' is not a number of 0 or more."),
        (lambda: Monotone("x", "y", feature="age"), "feature = 'age' is not a whole number."),
        (lambda: Argmax("id", "scores", axis=1.0), "axis = 1.0 is not a whole number."),
        (lambda: PaddingInvariant("x", axis=True), "axis = True is not a whole number."),
        (lambda: PaddingInvariant("x", rtol=float("nan")), "rtol = nan is not a number of 0 or more."),
        (lambda: PermutationInvariant("x", atol=True), "atol = True is not a number of 0 or more."),
        (lambda: PermutationInvariant("x", outputs="y"), "outputs = 'y' is not a list; write outputs = [...]."),
        (lambda: PaddingInvariant("x", outputs=3), "outputs = 3 is not a list; write outputs = [...]."),
        (
            lambda: PaddingInvariant("x", axis=0),
            "axis = 0 is the batch; the check batch_invariant proves that, name a later axis.",
        ),
    ],
)
def test_a_bad_relation_says_why(make, message):
    with pytest.raises(ContractError) as raised:
        make()
    assert str(raised.value) == message


def test_relations_name_what_they_tie():
    assert Monotone("x", "y", atol=0).inputs == ("x",)
    assert PermutationInvariant("x", outputs=["y"]).outputs == PaddingInvariant("x", outputs=["y"]).outputs == ("y",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"consumer": "a\nb"}, "consumer: 'a\\nb' is no name; write one line of text."),
        ({"consumer": 3}, "consumer: 3 is no name; write one line of text."),
        ({"pending": 1}, "pending: 1 is neither true nor false."),
        (
            {"signatures": {"b": Signature("a")}, "source": "f.toml"},
            'f.toml: signature "a" is filed under "b".',
        ),
    ],
)
def test_a_bad_contract_says_why(arguments, message):
    with pytest.raises(ContractError) as raised:
        Contract(**arguments)
    assert str(raised.value) == message
