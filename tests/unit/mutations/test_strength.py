"""The strength of contracts: what kills, what survives, and whether the lines that are told kill what survived."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from pytest_tfsig import checks, progress
from pytest_tfsig.checks import registry
from pytest_tfsig.contract import Contract, Probabilities, Signature, Tensor, dumps, loads
from pytest_tfsig.mutations import measure, mutations, remedies, strength_check
from pytest_tfsig.mutations.strength import _Measurement
from pytest_tfsig.mutations.trial import Clock
from tests.unit.mutations.fakes import classify, record, softmax, subject

X = {"x": Tensor("float32", ["batch", 4], min=-2, max=2)}
DIMS = {"batch": (1, 24)}


def by_name(strength):
    return {finding.name: finding for finding in strength.findings}


def some(*names):
    return [mutations()[name] for name in names]


def only(*outputs, answer=classify):
    """A model with some of the outputs."""
    return lambda inputs: {name: array for name, array in answer(inputs).items() if name in outputs}


def unhurried(inputs):
    """Answers so slowly that parallel requests meet."""
    time.sleep(0.0005)
    return classify(inputs)


def test_every_mutation_is_killed_by_a_contract_that_states_everything(tmp_path):
    record(tmp_path)
    strength = measure(subject(unhurried, folder=tmp_path))
    assert strength.broken == ""
    assert [finding.name for finding in strength.survivors] == []
    killed = {finding.mutation for finding in strength.findings if finding.verdict == "killed"}
    assert killed == mutations().keys()


def test_the_check_that_noticed_is_named(tmp_path):
    record(tmp_path)
    found = by_name(measure(subject(unhurried, folder=tmp_path)))
    expected = {
        "output_renamed(name)": "outputs",
        "dtype_widened(logits)": None,
        "dtype_widened(probabilities)": "outputs",
        "row_lost": "outputs",
        "rows_swapped": "batch_invariant",
        "scaled(probabilities)": "values",
        "scaled(logits)": "examples",
        "nan_row(square)": "finite",
        "noisy(logits)": "deterministic",
        "text_truncated(name)": "values",
        "counted_from_one(place)": "values",
        "classes_permuted(probabilities)": "relations",
        "crossed": "concurrent",
        "failing": "outputs",
        "lenient": "rejects_invalid",
        "rest_differs": "transports_agree",
        "older_version": "loads",
        "slow": "latency",
        "slow_tail": "latency",
    }
    assert {name: found[name].check if name in found else None for name in expected} == expected
    assert all(finding.message for finding in found.values())


def test_nothing_of_the_real_run_is_touched(tmp_path):
    record(tmp_path)
    settings = {"database": tmp_path / "examples", "files": tmp_path / "inputs", "update": True}
    real = subject(folder=tmp_path, settings=settings)
    before = (tmp_path / "recorded.tfrecord").read_bytes()
    real.shared_pass()
    seen, repeats = real.shared_pass(), real.repeats
    assert measure(real).killed
    assert real.shared_pass() is seen
    assert seen.found == {}
    assert real.repeats is repeats
    assert (tmp_path / "recorded.tfrecord").read_bytes() == before
    assert not settings["database"].exists()
    assert not settings["files"].exists()


def test_how_far_it_is_can_be_heard(monkeypatch):
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    heard = []
    token = progress.listener.set(heard.append)
    try:
        judged(0)
        assert progress.listener.get() == heard.append
    finally:
        progress.listener.reset(token)
    phases = [told.phase for told in heard]
    assert phases[0] == "the contract as it is"
    assert f"mutation 2 of {len(mutations())}, output_dropped" in phases


def test_a_contract_that_does_not_hold_has_no_strength():
    signature = Signature(inputs=X, outputs={"logits": Tensor("float64", ["batch", 3], max=0.5)}, dims=DIMS)
    strength = measure(subject(only("logits"), signature))
    assert strength.broken.startswith("values: output 'logits' is above max = 0.5")
    assert strength.findings == ()


def test_a_mutation_that_changes_nothing_does_not_apply():
    def zeros(inputs):
        return {"y": np.zeros(len(inputs["x"]), np.float32)}

    signature = Signature(inputs=X, outputs={"y": Tensor("float32", ["batch"])}, dims=DIMS)
    found = by_name(measure(subject(zeros, signature, rest=False)))
    for name in ("scaled(y)", "sign_flipped(y)", "quantized(y)", "rows_swapped", "row_repeated", "constant", "stale"):
        assert (found[name].verdict, found[name].message) == ("not_applicable", "it changes no answer")
    assert found["rest_differs"].message == "it needs a server with a REST API"
    assert found["slow"].message.startswith("it needs a latency budget")
    assert found["failing"].verdict == "killed"


def test_requests_are_few_where_a_mutation_is_killed():
    signature = Signature(inputs=X, outputs={"probabilities": Probabilities("float32", ["batch", 3])}, dims=DIMS)
    real = subject(only("probabilities"), signature)
    checks.run(checks.checks()["outputs"], real)
    model = real.model
    whole = measure(real, known=()).requests
    assert measure(real, known=some("output_renamed", "row_lost", "scaled")).requests <= whole + 30
    assert model.requests >= whole


@pytest.mark.parametrize(("told", "counted"), [({"only": ("outputs",)}, 1), ({"skip": ("outputs", "values")}, 0)])
def test_only_selected_checks_count(told, counted):
    signature = Signature(inputs=X, outputs={"probabilities": Probabilities("float32", ["batch", 3])}, dims=DIMS)
    strength = measure(subject(only("probabilities"), signature), known=some("output_added"), **told)
    if counted:
        assert by_name(strength)["output_added"].check == "outputs"
    else:
        assert by_name(strength)["output_added"].check != "outputs"


def label_and_scores(inputs):
    return {name: classify(inputs)[name] for name in ("place", "probabilities")}


def unit(inputs):
    return {"y": softmax(classify(inputs)["logits"])[:, 0].astype(np.float32)}


def loose(**outputs):
    return Signature(inputs=X, outputs=outputs, dims=DIMS)


FLOAT = Tensor("float32", ["batch", 3])
OPEN = Tensor("float32", ["batch", 3], finite=False)
SURVIVORS = [
    (only("probabilities"), loose(probabilities=FLOAT), "scaled(probabilities)", "probabilities = true"),
    (only("probabilities"), loose(probabilities=FLOAT), "activation_lost(probabilities)", "probabilities = true"),
    (unit, loose(y=Tensor("float32", ["batch"])), "sign_flipped(y)", "min = 0.0"),
    (unit, loose(y=Tensor("float32", ["batch"], min=-1e6)), "activation_lost(y)", "max = 1.0"),
    (only("logits"), loose(logits=Tensor("float64", ["batch", 3])), "scaled(logits)", "examples"),
    (only("logits"), loose(logits=Tensor("float64", ["batch", 3])), "constant", "examples"),
    (only("probabilities"), loose(probabilities=OPEN), "nan_row(probabilities)", "finite = true"),
    (only("place"), loose(place=Tensor("int32", ["batch"])), "counted_from_one(place)", "max = 2"),
    (only("name"), loose(name=Tensor("string", ["batch"])), "text_truncated(name)", "values"),
    (label_and_scores, loose(place=Tensor("int32", ["batch"]), probabilities=Probabilities("float32", ["batch", 3])),
     "classes_permuted(probabilities)", 'kind = "argmax"'),
    (only("logits"), replace(loose(logits=Tensor("float64")), checks={"batch_invariant": False}), "row_lost", "shape"),
]  # fmt: skip
COMPARE_TWICE = dict.fromkeys(("batch_invariant", "transports_agree", "concurrent"), False)
"""Off, for each of them would notice what another one is there to notice."""
SWITCHED_OFF = [
    ("deterministic", "noisy(logits)"),
    ("batch_invariant", "rows_swapped"),
    ("rejects_invalid", "lenient"),
    ("transports_agree", "rest_differs"),
    ("concurrent", "crossed"),
    ("loads", "older_version"),
]


@pytest.mark.parametrize(("answer", "signature", "name", "line"), SURVIVORS, ids=[each[2] for each in SURVIVORS])
def test_the_line_that_is_told_kills_what_survived(answer, signature, name, line, tmp_path):
    kills(answer, signature, name, line, tmp_path)


@pytest.mark.parametrize(("check", "name"), SWITCHED_OFF)
def test_a_check_that_is_switched_off_is_told(check, name, tmp_path):
    off = replace(loose(logits=Tensor("float64", ["batch", 3])), checks={**COMPARE_TWICE, check: False})
    kills(only("logits", answer=unhurried), off, name, f"{check} = true", tmp_path)


def test_tolerances_that_hide_everything_are_told(tmp_path):
    wide = replace(
        loose(logits=Tensor("float64", ["batch", 3])), checks={**COMPARE_TWICE, "deterministic": {"rtol": 10.0}}
    )
    kills(only("logits"), wide, "noisy(logits)", "deterministic = true", tmp_path)


def test_a_budget_for_the_slowest_is_told(tmp_path):
    median = replace(loose(logits=Tensor("float64", ["batch", 3])), latency=({"p50": "250ms"},))
    kills(only("logits"), median, "slow_tail", 'p99 = "250ms"', tmp_path)


def test_with_a_released_version_a_bound_on_drift_is_told(tmp_path):
    plain = loose(logits=Tensor("float64", ["batch", 3]))
    released = subject(only("logits"), plain)
    baseline = checks.Baseline("models/released", 1, released.model.signatures, lambda: released.model)
    kills(only("logits"), plain, "scaled(logits)", "drift = { max = ", tmp_path, baseline=baseline)


@pytest.mark.parametrize(("rate", "waits"), [(None, False), (50, True)])
def test_only_a_schedule_of_requests_is_waited_for(rate, waits):
    budget = {"p99": "1s"} if rate is None else {"p99": "1s", "rate": rate}
    measurement = _Measurement(subject(only("logits"), replace(loose(), latency=(budget,))), ())
    assert (measurement.clock is None) is waits


def test_a_check_that_a_marker_leaves_out_is_told_as_such():
    plain = loose(logits=Tensor("float64", ["batch", 3]))
    left_out = tuple(COMPARE_TWICE)
    [finding] = measure(subject(only("logits"), plain), known=some("rows_swapped"), skip=left_out).findings
    assert finding.remedy.as_dict() == {
        "table": "",
        "line": "tfsig_checks that lets batch_invariant run",
        "marker": "tfsig_checks that lets batch_invariant run",
        "first": "",
    }


def test_a_recording_is_not_told_of_a_model_that_never_repeats_itself():
    rng = np.random.default_rng(3)

    def random(inputs):
        return {"logits": rng.normal(size=(len(inputs["x"]), 3))}

    off = {**COMPARE_TWICE, "deterministic": False}
    signature = replace(loose(logits=Tensor("float64", ["batch", 3])), checks=off)
    [finding] = measure(subject(random, signature), known=some("classes_permuted")).findings
    assert (finding.verdict, finding.remedy) == ("survived", None)


@pytest.mark.parametrize("name", ["rest_differs", "crossed"])
def test_a_recording_is_not_told_where_it_would_not_show(name, monkeypatch):
    monkeypatch.setattr(remedies, "_KINDS", (remedies._examples,))
    off = dict.fromkeys(("transports_agree", "concurrent"), False)
    signature = replace(loose(logits=Tensor("float64", ["batch", 3])), checks=off)
    [finding] = measure(subject(only("logits", answer=unhurried), signature), known=some(name)).findings
    assert (finding.verdict, finding.remedy) == ("survived", None)


def test_a_user_s_own_check_notices_too(monkeypatch):
    monkeypatch.setattr(registry, "_CHECKS", dict(checks.checks()))

    @checks.check("first_is_larger")
    def first_is_larger(_, observation):
        """The first logit of ones is the larger."""
        ones = (observation.inputs["x"] == 1).all(axis=1)
        assert (observation.outputs["logits"][ones][:, 0] > 0).all()

    signature = loose(logits=Tensor("float64", ["batch", 3], strategy=None))
    signature = replace(signature, inputs={"x": Tensor("float32", ["batch", 4], values=[1])})
    [finding] = measure(subject(only("logits"), signature), known=some("sign_flipped")).findings
    assert (finding.verdict, finding.check) == ("killed", "first_is_larger")


def kills(answer, signature, name, line, folder, **more):
    """Adds the line that is told for a survivor to the contract's file, and has the survivor killed by that."""
    tried = [mutations()[name.partition("(")[0]]]
    finding = by_name(measure(subject(answer, signature, folder=folder, **more), known=tried))[name]
    assert finding.verdict == "survived"
    remedy = finding.remedy
    assert remedy is not None
    assert remedy.line.startswith(line)
    if "examples" in line:
        assert remedy.first.startswith("tfsig record ")
        record(folder, answer, signature)
        (folder / "recorded.tfrecord").rename(folder / "fake.tfrecord")
    amended = loads(with_line(dumps(Contract({"serving_default": signature})), remedy)).signatures["serving_default"]
    strength = measure(subject(answer, amended, folder=folder, **more), known=tried)
    assert strength.broken == ""
    assert by_name(strength)[name].verdict == "killed"


def with_line(text, remedy):
    """A contract file with a line in the table that it belongs to; one that it replaces goes."""
    header, key = f"[{remedy.table}]", remedy.line.partition(" =")[0]
    if "," in remedy.line and remedy.line.startswith("kind"):
        return f"{text}\n{header}\n" + remedy.line.replace(", ", "\n") + "\n"
    if header not in text or header.startswith("[["):
        return f"{text}\n{header}\n{remedy.line}\n"
    before, _, after = text.partition(f"{header}\n")
    table, end, rest = after.partition("\n[")
    kept = "\n".join(line for line in table.split("\n") if not line.startswith(f"{key} ="))
    return f"{before}{header}\n{remedy.line}\n{kept}{end}{rest}"


def test_what_no_line_would_notice_says_so():
    def echo(inputs):
        return {"y": inputs["x"]}

    # Ten times what rounding explains is still within the tolerances that recorded answers are compared with.
    signature = Signature(inputs=X, outputs={"y": Tensor("float32", ["batch", 4], min=-2, max=2)}, dims=DIMS)
    tiny = replace(
        mutations()["scaled"],
        begin=lambda *_: lambda call: {"y": call.proceed()["y"] * np.float32(1 - 1e-6)},
    )
    [finding] = measure(subject(echo, signature), known=[tiny]).findings
    assert (finding.verdict, finding.remedy) == ("survived", None)


def judged(minimum, answer=None, signature=None):
    signature = signature or loose(logits=Tensor("float64", ["batch", 3]))
    return checks.run(strength_check(minimum), subject(answer or only("logits"), signature))


def test_alone_it_never_fails_and_a_bar_is_a_bar():
    alone = judged(0)
    assert alone.verdict == "pass"
    share = alone.details["strength"]["killed"] / (len(known_of(alone)) or 1)
    assert 0.5 < share < 1
    assert judged(50).verdict == "pass"
    short = judged(100)
    assert short.verdict == "fail"
    assert "mutations killed" in short.message
    assert 'examples = { file = "fake.tfrecord" }' in short.violation.actual
    assert short.details["strength"]["minimum"] == 100


def known_of(outcome):
    return [one for one in outcome.details["strength"]["mutations"] if one["verdict"] != "not_applicable"]


@pytest.mark.parametrize(("minimum", "verdict"), [(0, "skip"), (90, "error")])
def test_a_bar_is_not_reached_by_a_broken_contract(minimum, verdict):
    broken = loose(logits=Tensor("float64", ["batch", 3], max=0.5))
    outcome = judged(minimum, signature=broken)
    assert outcome.verdict == verdict
    assert outcome.message.startswith("not measured: the contract does not hold without any mutation (values: ")


def test_waits_cost_nothing_and_count_all_the_same():
    clock = Clock()
    before = clock()
    clock.wait(1e6)
    assert 1e6 <= clock() - before < 1e6 + 60
