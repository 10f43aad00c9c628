"""Contract files: read, refused with the key's path, and written."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    ProbabilityRule,
    Signature,
    Tensor,
)
from pytest_tfsig.errors import ContractError

DIGITS = """
model = "models/digits"                      # optional

[signatures.serving_default]
method = "predict"                           # predict (default) | classify | regress
[signatures.serving_default.inputs.image]
dtype = "float32"
shape = ["batch", 8, 8]
min = 0.0
max = 1.0
[signatures.serving_default.outputs.probabilities]
dtype = "float32"
shape = ["batch", 10]
probabilities = true                         # or { axis = -1, atol = 1e-5 }
[signatures.serving_default.dims]
batch = [1, 64]
[[signatures.serving_default.latency]]
p99 = "25ms"
[signatures.serving_default.checks]
batch_invariant = { rtol = 1e-4, atol = 1e-5 }
drift = false
[[signatures.serving_default.relations]]
kind = "permutation_invariant"
input = "image"
axis = 2
"""


def test_a_whole_file(tmp_path):
    file = tmp_path / "digits.tfsig.toml"
    file.write_text(DIGITS, encoding="utf-8")
    stated = Signature(
        "serving_default",
        {"image": Tensor("float32", ["batch", 8, 8], min=0, max=1)},
        {"probabilities": Probabilities("float32", ["batch", 10], atol=1e-5)},
        dims={"batch": (1, 64)},
        latency={"p99": "25ms"},
        checks={"batch_invariant": {"rtol": 1e-4, "atol": 1e-5}, "drift": False},
        relations=(PermutationInvariant("image", axis=2),),
    )
    assert contract.load(file) == Contract({"serving_default": stated}, tmp_path / "models" / "digits", str(file))


def test_model_is_relative_to_the_file(tmp_path):
    (tmp_path / "c.tfsig.toml").write_text('model = "../m/1"')
    assert contract.load(tmp_path / "c.tfsig.toml").model == tmp_path.parent / "m" / "1"


S, X = "[signatures.s]\n", "[signatures.s.inputs.x]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x =", "not TOML: Invalid value"),
        ("x = " + "1" * 5000, "not TOML: "),
        (X + 'dtype = "float32"\nmax = 1' + "0" * 400, "signatures.s.inputs.x: max = 1000"),
        ('[[signatures.s.latency]]\np99 = "5ms"\nrate = 1' + "0" * 400, "signatures.s.latency[0]: rate = 1000"),
        ("modle = 'a'", 'modle: unknown key; did you mean "model"?'),
        ("model = 3", "model: expected text, got a whole number."),
        ("model = ''", "model: empty; write the SavedModel's path or remove the key."),
        ("signatures = 3", "signatures: expected a table, got a whole number."),
        ("[signatures]\ns = 1", "signatures.s: expected a table, got a whole number."),
        (S + "metod = 'predict'", 'signatures.s.metod: unknown key; did you mean "method"?'),
        (S + "method = 'x'", 'signatures.s.method: "x" is none of'),
        ("[signatures.'a b']\nmetod=1", 'signatures."a b".metod: unknown key'),
        (S + "dims = {b = 3}", "signatures.s.dims.b: expected a list, got a whole number."),
        (S + "dims = {a = [1, 2], b = [1, 'x']}", "signatures.s.dims.b[1]: expected a whole number, got text."),
        (S + "dims = {b = [3, 1]}", "signatures.s.dims.b: [3, 1] is empty"),
        ("[signatures.s.inputs]\nx = 1", "signatures.s.inputs.x: expected a table, got a whole number."),
        (X + "mni = 1", 'signatures.s.inputs.x.mni: unknown key; did you mean "min"?'),
        (X + "min = 'a'", "signatures.s.inputs.x.min: expected a number, got text."),
        (X + "min = 2\nmax = 1", "signatures.s.inputs.x: min = 2 is above max = 1"),
        (X + "shape = 'x'", "signatures.s.inputs.x.shape: expected a list, got text."),
        (X + "shape = [1, 1.5]", "signatures.s.inputs.x.shape[1]: expected a whole number or text"),
        (X + "finite = 1", "signatures.s.inputs.x.finite: expected true or false, got a whole number."),
        (X + "values = [1, [1]]", "signatures.s.inputs.x.values[1]: expected true or false or a number"),
        (X + "values = [{b65 = 'x'}]", 'signatures.s.inputs.x.values[0].b65: unknown key; did you mean "b64"?'),
        (X + "values = [{b64 = '!'}]", 'signatures.s.inputs.x.values[0].b64: "!" is not base64.'),
        (X + "probabilities = 3", "signatures.s.inputs.x.probabilities: expected true or false or a table"),
        (X + "probabilities = {axs = 1}", 'signatures.s.inputs.x.probabilities.axs: unknown key; did you mean "axis"?'),
        (X + "probabilities = {axis = 'q'}", "signatures.s.inputs.x.probabilities.axis: expected a whole number"),
        (X + "features = {a = 1}", "signatures.s.inputs.x.features.a: 1 is not a table"),
        (X + "features = {a = {}}", 'signatures.s.inputs.x.features.a: the key "dtype" is missing.'),
        (X + "features = {a = {dtype = 'int8'}}", "signatures.s.inputs.x.features.a: a tf.Example carries"),
        (S + "latency = {p99 = '3ms'}", "signatures.s.latency: expected a list, got a table."),
        (S + "latency = [{p99 = '3ms'}, {p99 = '3'}]", 'signatures.s.latency[1].p99: "3" has no unit'),
        (S + "latency = [{p97 = '3ms'}]", 'signatures.s.latency[0].p97: unknown key; did you mean "p99"?'),
        (S + "checks = {finite = 3}", "signatures.s.checks.finite: expected true or false or a table"),
        (S + "relations = [{}]", "signatures.s.relations[0].kind: a relation needs a kind; write argmax"),
        (S + "relations = [{kind = 'x'}]", 'signatures.s.relations[0].kind: "x" is no kind of relation'),
        (S + "relations = [{kind = 'argmax', of = 'a'}]", 'signatures.s.relations[0]: the key "output" is missing.'),
        (
            S + "relations = [{kind = 'argmax', off = 'a'}]",
            'signatures.s.relations[0].off: unknown key; did you mean "of"?',
        ),
        (S + "relations = [{kind = 'argmax', of = 1, output = 'a'}]", "signatures.s.relations[0].of: expected text"),
        ("a = " + "[" * 5000, "not a contract: its values are nested too deeply."),
    ],
)
def test_each_error_names_file_and_key(text, message):
    with pytest.raises(ContractError) as raised:
        contract.loads(text, source="f.toml")
    assert str(raised.value).startswith(f"f.toml: {message}")


KINDS = "argmax, monotone, padding_invariant or permutation_invariant"
F = X + "features = {a = {dtype = 'string', "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x =", "not TOML: Invalid value (at end of document)."),
        ("consumer = ' '", "consumer: empty; write whose contract it is or remove the key."),
        ("consumer = 3", "consumer: expected text, got a whole number."),
        ("pending = 'yes'", "pending: expected true or false, got text."),
        ("[signatures.s.dims]\n'a b' = [1, 'x']", 'signatures.s.dims."a b"[1]: expected a whole number, got text.'),
        (S + "dims = 3", "signatures.s.dims: expected a table, got a whole number."),
        (S + "latency = [3]", "signatures.s.latency[0]: expected a table, got a whole number."),
        (S + "checks = {a = true, b = [1]}", "signatures.s.checks.b: expected true or false or a table, got a list."),
        (X + "min = 2020-01-01", "signatures.s.inputs.x.min: expected a number, got date."),
        (X + "shape = [1, 1.5]", "signatures.s.inputs.x.shape[1]: expected a whole number or text, got a number."),
        (X + "shape = [true]", "signatures.s.inputs.x.shape[0]: expected a whole number or text, got true or false."),
        (
            X + "values = [1, [1]]",
            "signatures.s.inputs.x.values[1]: expected true or false or a number or text or a table, got a list.",
        ),
        (X + "values = [{b64 = 3}]", "signatures.s.inputs.x.values[0].b64: expected text, got a whole number."),
        (X + "vocabulary = ['a', {}]", 'signatures.s.inputs.x.vocabulary[1]: the key "b64" is missing.'),
        (
            F + "vocabulary = [{b64 = 3}]}}",
            "signatures.s.inputs.x.features.a.vocabulary[0].b64: expected text, got a whole number.",
        ),
        (X + "values = ['a', {}]", 'signatures.s.inputs.x.values[1]: the key "b64" is missing.'),
        (
            X + "values = ['a', {b64 = '', c = 3}]",
            "signatures.s.inputs.x.values[1].c: expected text, got a whole number.",
        ),
        (
            X + "probabilities = 3",
            "signatures.s.inputs.x.probabilities: expected true or false or a table, got a whole number.",
        ),
        (
            X + "probabilities = {axis = 'q'}",
            "signatures.s.inputs.x.probabilities.axis: expected a whole number, got text.",
        ),
        (
            X + "features = {a = 1}",
            'signatures.s.inputs.x.features.a: 1 is not a table; write { dtype = "float32", shape = [] }.',
        ),
        (F + "shape = ['b']}}", "signatures.s.inputs.x.features.a.shape[0]: expected a whole number, got text."),
        (F + "min = 'q'}}", "signatures.s.inputs.x.features.a.min: expected a number, got text."),
        (F + "default = [{b64 = '!'}]}}", 'signatures.s.inputs.x.features.a.default[0].b64: "!" is not base64.'),
        (
            F + "values = [{b64 = 'YQ=='}, {b65 = 'x'}]}}",
            'signatures.s.inputs.x.features.a.values[1].b65: unknown key; did you mean "b64"?',
        ),
        (
            F + "values = [{b64 = 3}]}}",
            "signatures.s.inputs.x.features.a.values[0].b64: expected text, got a whole number.",
        ),
        (S + "relations = [{}]", f"signatures.s.relations[0].kind: a relation needs a kind; write {KINDS}."),
        (S + "relations = [{kind = 3}]", f"signatures.s.relations[0].kind: a relation needs a kind; write {KINDS}."),
        (
            S + "relations = [{kind = 'x'}]",
            f'signatures.s.relations[0].kind: "x" is no kind of relation; write {KINDS}.',
        ),
        (
            S + "relations = [{kind = 'argmax', of = 1, output = 'a'}]",
            "signatures.s.relations[0].of: expected text, got a whole number.",
        ),
        (
            S + "relations = [{kind = 'monotone', input = 'a', output = 'b', direction = 'up'}]",
            "signatures.s.relations[0].direction: 'up' is none of decreasing or increasing.",
        ),
        (
            S + "relations = [{kind = 'permutation_invariant', input = 'a', outputs = ['b', 1]}]",
            "signatures.s.relations[0].outputs[1]: expected text, got a whole number.",
        ),
        (
            S + "relations = [{kind = 'padding_invariant', input = 'a', value = true}]",
            "signatures.s.relations[0].value: expected a number or text, got true or false.",
        ),
        (
            S + "relations = [{kind = 'padding_invariant', input = 'a', axis = 0}]",
            (
                "signatures.s.relations[0]: axis = 0 is the batch; the check batch_invariant proves that, name a later "
                "axis."
            ),
        ),
    ],
)
def test_an_error_is_told_in_the_words_of_toml(text, message):
    with pytest.raises(ContractError) as raised:
        contract.loads(text, source="f.toml")
    assert str(raised.value) == f"f.toml: {message}"


@pytest.mark.parametrize("text", ["", "[signatures]", "[signatures.s]", "pending = false"])
def test_a_contract_may_leave_all_of_it_open(text):
    found = contract.loads(text)
    assert (found.model, found.source, found.consumer, found.pending) == (None, "contract", "", False)
    assert found.signatures == ({"s": Signature("s")} if "s]" in text.replace("signatures]", "") else {})


def test_a_model_is_found_from_the_directory_that_is_given_and_from_home(monkeypatch):
    assert contract.loads('model = "a/../b"', directory=Path("/c")).model == Path("/c/b")
    assert contract.loads('model = "/a"', directory=Path("/c")).model == Path("/a")
    assert contract.loads('model = "a"').model == Path.cwd() / "a"
    monkeypatch.setenv("HOME", "/home/someone")
    assert contract.loads('model = "~/a"', directory=Path("/c")).model == Path("/home/someone/a")


def test_bytes_and_features_are_read():
    text = F + "values = ['é', {b64 = '/w=='}], shape = [2]}, b = {dtype = 'int64', kind = 'ragged'}}"
    found = contract.loads(text).signatures["s"].inputs["x"].features
    assert found == {
        "a": Feature("string", [2], values=["é", b"\xff"]),
        "b": Feature("int64", None, kind="ragged"),
    }
    assert (
        contract.loads(X + "features = {a = {dtype = 'string'}}").signatures["s"].inputs["x"].features["a"].shape == ()
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "c.tfsig.toml: the contract cannot be read: No such file"),
        (lambda file: file.mkdir(), "a contract is a file, this is not one"),
        (os.mkfifo, "a contract is a file, this is not one"),
        (lambda file: file.write_bytes(b"x = '\xff'"), "not UTF-8 text, byte 5 is 0xff"),
        (lambda file: file.touch() or os.truncate(file, 2**40), "bytes is no contract"),
    ],
)
def test_unreadable_files(tmp_path, make, message):
    file = tmp_path / "c.tfsig.toml"
    make(file)
    with pytest.raises(ContractError, match=message):
        contract.load(file)


names = st.text(min_size=1, max_size=8) | st.sampled_from(["x", "serving_default", "a b", "ü", '"', "a.b"])
sizes = st.none() | st.integers(0, 9) | st.sampled_from(["batch", "time"])
finite = st.floats(-1e6, 1e6, width=32)


@st.composite
def features(draw):
    dtype = draw(st.sampled_from(["float32", "int64", "string"]))
    value = {"float32": finite, "int64": st.integers(-(2**63), 2**63 - 1), "string": st.text(max_size=3)}[dtype]
    kind = draw(st.sampled_from(["fixed", "variable", "ragged"]))
    shape = st.lists(st.integers(0, 3), max_size=2)
    return Feature(
        dtype,
        draw(shape if kind == "fixed" else shape | st.none()),
        kind=kind,
        default=draw(st.none() | st.lists(value, max_size=2)),
        **{draw(st.sampled_from(["values", "vocabulary"])): draw(st.none() | st.lists(value, min_size=1, max_size=2))},
    )


@st.composite
def tensors(draw):
    shape = draw(st.none() | st.lists(sizes, max_size=3))
    form = draw(
        st.sampled_from(["bounds", "values", "probabilities", "text", "image", "features", "bytes", "utf-16", "open"])
    )
    bounds = sorted((draw(finite), draw(finite)))
    strategy = draw(st.none() | st.just("my.module:draw"))
    rank = len(shape) if shape else 0
    rule = ProbabilityRule(-1 if rank else 0, draw(st.none() | st.floats(0, 0.5)))
    listed = draw(st.sampled_from(["values", "vocabulary"]))
    return {
        "bounds": lambda: Tensor("float32", shape, min=bounds[0], max=bounds[1], finite=draw(st.booleans())),
        "values": lambda: Tensor("uint64", shape, **{listed: draw(st.lists(st.integers(0, 2**64 - 1), min_size=1))}),
        "probabilities": lambda: Tensor("float32", shape if rank else None, probabilities=rule, strategy=strategy),
        "text": lambda: Tensor("string", shape, encoding="utf-8", **{listed: draw(st.lists(st.text(), min_size=1))}),
        "utf-16": lambda: Tensor(
            "string", shape, encoding="utf-16", **{listed: draw(st.lists(st.binary(), min_size=1))}
        ),
        "bytes": lambda: Tensor("string", shape, **{listed: draw(st.lists(st.binary(), min_size=1))}),
        "image": lambda: Tensor("string", shape, image="png", strategy=strategy),
        "features": lambda: Tensor("string", shape, features=draw(st.dictionaries(names, features(), max_size=2))),
        "open": lambda: Tensor(None, shape, min=bounds[0], strategy=strategy),
    }[form]()


budgets = st.builds(
    LatencyBudget,
    st.sampled_from(["p50", "p99.9", "mean", "first_request"]),
    st.floats(1e-9, 1e4),
    batch=st.integers(1, 99),
    rate=st.none() | st.floats(0.1, 1e4),
    confidence=st.floats(0.51, 0.99),
    seconds=st.none() | st.floats(1e-6, 1e4),
    test=st.sampled_from(["sequential", "fixed"]),
) | st.builds(LatencyBudget, st.just("error_rate"), st.floats(0, 0.9))


@st.composite
def contracts(draw):
    made = {}
    for name in draw(st.lists(names, max_size=2, unique=True)):
        inputs = draw(st.dictionaries(names, tensors(), max_size=2))
        outputs = draw(st.dictionaries(names, tensors(), max_size=2))
        known = {size for tensor in (*inputs.values(), *outputs.values()) for size in tensor.dimension_names}
        relations = []
        if inputs and outputs:
            first, answer = next(iter(inputs)), next(iter(outputs))
            relations = [
                Argmax(answer, answer, axis=0),
                Monotone(first, answer, direction="decreasing", feature=1),
                PermutationInvariant(first, outputs=(answer,)),
                PaddingInvariant(first, axis=2, value=draw(finite | st.text(max_size=2))),
            ]
        made[name] = Signature(
            name,
            inputs,
            outputs,
            dims={size: (1, draw(st.integers(1, 64))) for size in sorted(known)},
            latency=tuple(draw(st.lists(budgets, max_size=2))),
            checks=draw(st.dictionaries(names, st.booleans() | st.dictionaries(names, finite | st.text()), max_size=2)),
            relations=tuple(relations),
        )
    consumer = draw(st.text(max_size=3).filter(lambda name: name.isprintable() and name == name.strip()))
    return Contract(
        made, draw(st.none() | st.just(Path("/models/a b"))), consumer=consumer, pending=draw(st.booleans())
    )


@given(stated=contracts())
@settings(max_examples=150, deadline=None)
def test_what_is_written_reads_back_equal(stated):
    assert contract.loads(contract.dumps(stated)) == stated


def test_what_is_written_explains_itself():
    text = contract.dumps(contract.loads(DIGITS))
    assert "probabilities = true\n" in text
    assert 'p99 = "25ms"\n' in text
    bare = contract.dumps(Contract({"s": Signature("s", {"x": Tensor("float32", ["batch", "?"])}, {})}))
    assert '# p99 = "25ms"' in bare
    assert "# batch = [1, 32]" in bare
    assert 'shape = ["batch", "?"]\n' in bare


def test_hints_are_contracts_once_their_mark_is_removed():
    stated = Signature("s", {"x": Tensor("float32", ["batch"])}, {"y": Tensor("float32")})
    bare = contract.dumps(Contract({"s": stated}))
    unmarked = re.sub(r"^# (?=\[|batch|p99)", "", bare, flags=re.MULTILINE)
    signature = contract.loads(unmarked).signatures["s"]
    assert signature.dims == {"batch": (1, 32)}
    assert signature.latency == (LatencyBudget("p99", 0.025),)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "uint8", "string", "bool"])
def test_hints_name_keys_that_the_tensor_may_have(dtype, side):
    sides = {"inputs": {}, "outputs": {}} | {side: {"x": Tensor(dtype, ["batch"])}}
    bare = contract.dumps(Contract({"s": Signature("s", **sides)}))
    hints = [line for line in bare.splitlines() if line.startswith("# ") and " say what " in line]
    assert len(hints) == (dtype != "bool")
    for key, value in re.findall(r"(\w+) = (\w[\w.]*|\"[^\"]*\")", "".join(hints)):
        contract.loads(f'[signatures.s.{side}.x]\ndtype = "{dtype}"\nshape = ["batch"]\n{key} = {value}')


def test_a_python_strategy_cannot_be_written():
    stated = Contract({"s": Signature("s", {"x": Tensor("float32", strategy=st.just(1))}, {})})
    with pytest.raises(ContractError, match=r"signatures\.s\.inputs\.x: its strategy is a Python object"):
        contract.dumps(stated)


def test_options_that_toml_has_not_cannot_be_written():
    with pytest.raises(ContractError, match=r"signatures\.s\.checks\.drift: .* cannot be written"):
        contract.dumps(Contract({"s": Signature("s", checks={"drift": {"bound": None}})}))
