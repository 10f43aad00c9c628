"""How a check is run: the one pass over inputs, the search, and what becomes of everything that may be raised."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import checks, progress
from pytest_tfsig.checks import Outcome, Violation, registry
from pytest_tfsig.checks.registry import options_of
from pytest_tfsig.checks.runner import search
from pytest_tfsig.checks.subject import ServerDied
from pytest_tfsig.contract import Feature, Probabilities, Signature, Tensor
from pytest_tfsig.errors import ContractError, StrategyError, UsageError
from pytest_tfsig.strategies.explore import SHRINK_REQUESTS
from tests.unit.checks.fakes import FakeModel, refusal, spec_of, subject

ROWS = Signature(
    inputs={"x": Tensor("float32", ["batch", 3], min=-2, max=2)},
    outputs={"y": Tensor("float32", ["batch"])},
    dims={"batch": (1, 8)},
)


def sums(inputs):
    return {"y": inputs["x"].sum(axis=1)}


def procedure(function, **more):
    return checks.Check("mine", "it holds", function, inspects=False, wanted=lambda _: True, **more)


def raising(error):
    def run(_):
        raise error

    return run


def ran(function, judged=None):
    return checks.run(procedure(function), judged or subject(sums, ROWS))


def test_a_violation_that_is_raised_or_returned_is_a_failure():
    for function in (raising(Violation("wrong")), lambda _: checks.outcome.failed(Violation("wrong"), 7)):
        found = ran(function)
        assert (found.verdict, found.message) == ("fail", "wrong")
    assert found.examples == 7


def test_a_violations_advice_is_that_of_its_cause_unless_it_has_one():
    known = "Input to reshape is a tensor with 10 values, but the requested shape has 80"
    assert "Reshape with -1" in ran(raising(Violation("wrong", actual=known))).violation.advice
    assert "Reshape with -1" in ran(raising(Violation(known))).violation.advice
    assert ran(raising(Violation("wrong", actual=known, advice="mine"))).violation.advice == "mine"
    assert ran(raising(Violation("wrong"))).violation.advice == ""


def test_a_violation_says_how_to_see_it_again():
    judged = subject(sums, ROWS, pytest_line="pytest that", saved_model=SimpleNamespace(path="/m/1"))
    found = ran(raising(Violation("wrong", {"x": np.zeros((1, 3), np.float32)})), judged)
    assert found.violation.reproduction.pytest == "pytest that"
    assert found.violation.reproduction.serve == "tfsig serve /m/1 --name fake"
    assert "np.array([[0.0, 0.0, 0.0]], np.float32)" in found.violation.reproduction.python


def test_a_violation_knows_which_inputs_are_serialized_examples():
    inputs = {"e": Tensor("string", ["batch"], features={"a": Feature("int64")}), "t": Tensor("string", ["batch"])}
    judged = subject(sums, replace(ROWS, inputs=inputs))
    assert ran(raising(Violation("wrong")), judged).violation.serialized == ["e"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UsageError("use it so"), "use it so"),
        (refusal("INTERNAL", "boom"), "could not be judged: gRPC INTERNAL: boom."),
    ],
)
def test_what_keeps_a_check_from_judging_is_an_error(error, message):
    judged = subject(sums, ROWS)
    found = ran(raising(error), judged)
    assert (found.verdict, found.message) == ("error", message)
    assert not judged.timed_out


def test_the_cause_of_a_refusal_is_told_where_it_is_known():
    found = ran(raising(refusal("INTERNAL", "Table not initialized.")))
    assert found.message.startswith("could not be judged: gRPC INTERNAL: Table not initialized.. A vocabulary table")


def test_a_time_out_is_remembered():
    judged = subject(sums, ROWS)
    assert ran(raising(refusal("DEADLINE_EXCEEDED", "late")), judged).verdict == "error"
    assert judged.timed_out


def test_what_was_not_answered_in_time_stays_so():
    judged = subject(sums, ROWS)
    judged.timed_out = True
    ran(raising(refusal("INTERNAL", "no")), judged)
    assert judged.timed_out


def test_whoever_listens_is_told_of_requests():
    listener, heard = SimpleNamespace(), []
    token = progress.listener.set(listener)
    try:
        ran(lambda asked: heard.append(asked.meter._listener) or Outcome("pass"))
    finally:
        progress.listener.reset(token)
    assert heard == [listener]


def test_the_search_for_a_smaller_request_begins_with_the_first_that_failed():
    asked = []

    def answer(inputs):
        asked.append(inputs["x"])
        return broken_from(4)(inputs)

    inspected("finite", answer)
    first = next(array for array in asked if len(array) >= 4)
    assert np.array_equal(asked[100], first)


def test_a_mistake_of_our_own_is_raised():
    with pytest.raises(ZeroDivisionError):
        ran(raising(ZeroDivisionError()))


def test_a_death_is_told_with_the_request_and_the_log():
    inputs = {"x": np.ones((1, 3), np.float32)}
    violation = ran(raising(ServerDied(inputs, "Table not initialized."))).violation
    assert violation.sentence == "the server died while it answered this request"
    assert violation.inputs is inputs
    assert violation.expected == "an answer, or an error from a server that goes on"
    assert violation.actual == "the server process ended. The end of its log:\nTable not initialized."
    assert violation.advice.startswith("A vocabulary table")


@pytest.mark.parametrize(
    ("name", "switched", "message"),
    [
        ("outputs", {}, "no word of it"),
        ("mine", {}, "not judged: no inputs can be drawn; see the check outputs"),
        ("mine", {"outputs": False}, "no word of it"),
        ("mine", {"outputs": True}, "not judged: no inputs can be drawn; see the check outputs"),
    ],
)
def test_what_keeps_inputs_from_being_drawn_is_told_where_it_is_looked_for(name, switched, message):
    entry = replace(procedure(raising(StrategyError("no word of it"))), name=name)
    found = checks.run(entry, subject(sums, replace(ROWS, checks=switched)))
    assert (found.verdict, found.message) == ("error", message)


def test_a_checks_requests_are_metered_apart():
    judged = subject(sums, ROWS)
    before = progress.meter.get()
    meters = []
    for _ in range(2):
        ran(lambda asked: meters.append((asked.meter, progress.meter.get())) or Outcome("pass"), judged)
    assert meters[0][0] is meters[0][1]
    assert meters[0][0] is not meters[1][0]
    assert progress.meter.get() is before


def test_options_are_those_of_the_contract():
    seen = {}

    def run(_, *, limit=1.0, other=2.0):
        seen.update(limit=limit, other=other)
        return Outcome("pass")

    entry = procedure(run)
    assert dict(entry.options) == {"limit": 1.0, "other": 2.0}
    for stated, limit in (({"mine": {"limit": 9.0}}, 9.0), ({"mine": True}, 1.0), ({}, 1.0)):
        assert options_of(entry, SimpleNamespace(checks=stated)) == ({"limit": 9.0} if limit == 9 else {})
        checks.run(entry, SimpleNamespace(meter=None, signature=SimpleNamespace(checks=stated)))
        assert seen == {"limit": limit, "other": 2.0}


def broken_from(rows):
    """Answers NaN to batches of so many rows."""
    return lambda inputs: {"y": np.where(len(inputs["x"]) >= rows, np.nan, sums(inputs)["y"]).astype(np.float32)}


def inspected(name, answer, signature=ROWS, **more):
    judged = subject(answer, signature, **more)
    return checks.run(checks.checks()[name], judged), judged


def test_what_an_inspection_sees_is_made_small():
    found, judged = inspected("finite", broken_from(4))
    assert found.verdict == "fail"
    assert found.violation.inputs["x"].shape == (4, 3)
    assert not found.violation.inputs["x"].any()
    assert found.examples == 100
    assert judged.model.requests > 100


def test_the_hasty_show_the_first_they_see():
    found, judged = inspected("finite", broken_from(4), settings={"hasty": True})
    assert found.verdict == "fail"
    assert found.examples == judged.model.requests < 100
    assert judged.settings.shrink_requests == 0
    assert subject(sums, ROWS).settings.shrink_requests == SHRINK_REQUESTS


def test_what_does_not_show_again_is_told_so():
    count = itertools.count()

    def once(inputs):
        return broken_from(1 if next(count) == 50 else 99)(inputs)

    found, _ = inspected("finite", once)
    assert found.verdict == "fail"
    assert found.violation.actual.startswith("y = float32 ")
    assert found.violation.actual.endswith("\n(it did not show again when the same inputs were sent once more)")
    assert found.violation.inputs is not None


@pytest.mark.parametrize("error", [refusal("UNAVAILABLE", "gone"), StrategyError("no")])
def test_where_nothing_smaller_can_be_looked_for_the_first_is_shown(error):
    count = itertools.count()
    judged = None

    def answer(inputs):
        if next(count) >= 100:
            if error.args and "gone" in str(error):
                judged.model.server.is_alive = False
            raise error
        return broken_from(4)(inputs)

    judged = subject(answer, ROWS)
    found = checks.run(checks.checks()["finite"], judged)
    assert found.verdict == "fail"
    assert len(found.violation.inputs["x"]) >= 4
    assert "did not show again" not in found.violation.actual


def test_a_sound_signature_is_told_with_the_number_of_answers():
    found, _ = inspected("finite", sums)
    assert (found.verdict, found.message, found.examples) == ("pass", "holds for 100 answers", 100)
    assert found.details == {}


def half(inputs):
    if len(inputs["x"]) > 4:
        raise refusal()
    return sums(inputs)


def test_refused_requests_are_no_answers():
    found, judged = inspected("finite", half)
    answered = int(found.message.removeprefix("holds for ").removesuffix(" answers"))
    assert 0 < answered < found.examples == judged.model.requests == 100


def test_nothing_answered_is_not_judged():
    def never(_):
        raise refusal()

    found, _ = inspected("finite", never)
    assert (found.verdict, found.examples) == ("error", 100)
    assert found.message == "not judged: no request was answered; see the check outputs"


def test_after_a_death_others_point_to_the_check_outputs():
    judged = None

    def deadly(inputs):
        if len(inputs["x"]) > 4:
            judged.model.server.is_alive = False
            raise refusal("UNAVAILABLE", "Socket closed")
        return sums(inputs)

    judged = subject(deadly, ROWS)
    found = checks.run(checks.checks()["outputs"], judged)
    assert found.message == "the server died while it answered this request"
    assert len(found.violation.inputs["x"]) > 4
    assert found.examples == judged.shared_pass().asked
    other = checks.run(checks.checks()["finite"], judged)
    assert (other.verdict, other.examples) == ("error", found.examples)
    assert other.message == "not judged: the server died while it answered; see the check outputs"


def test_sums_of_probabilities_are_details_of_the_check_values():
    signature = replace(ROWS, outputs={"p": Probabilities("float32", ["batch", 2])})
    answer = lambda inputs: {"p": np.full((len(inputs["x"]), 2), 0.5, np.float32)}  # noqa: E731
    found, judged = inspected("values", answer, signature)
    assert found.verdict == "pass"
    assert found.details["probability_sums"]["p"]["largest"] == 0.0
    assert checks.run(checks.checks()["finite"], judged).details == {}
    wrong = lambda inputs: {"p": np.full((len(inputs["x"]), 2), 0.75, np.float32)}  # noqa: E731
    found, _ = inspected("values", wrong, signature)
    assert found.verdict == "fail"
    assert found.details["probability_sums"]["p"]["largest"] == 0.5


@pytest.fixture
def own_checks(monkeypatch):
    checks.checks()
    monkeypatch.setattr(registry, "_CHECKS", dict(registry._CHECKS))


@pytest.mark.usefixtures("own_checks")
def test_an_assertion_of_a_users_own_is_a_violation():
    @checks.check("silent", holds_when="rows are silent")
    def silent(subject, observation):
        del subject
        if len(observation.inputs["x"]) > 2:
            raise AssertionError("   ")

    found, _ = inspected("silent", sums)
    assert found.message == "the check silent does not hold"
    assert found.violation.expected == "rows are silent"
    assert len(found.violation.inputs["x"]) == 3


@pytest.mark.usefixtures("own_checks")
def test_a_check_that_breaks_is_told_with_its_mistake():
    @checks.check("mistaken")
    def mistaken(subject, observation):
        return 1 / (subject is observation)

    found, _ = inspected("mistaken", sums)
    assert (found.verdict, found.examples) == ("error", 100)
    assert found.message == "the check itself raised ZeroDivisionError: division by zero; mend its function"


@pytest.mark.usefixtures("own_checks")
def test_a_check_that_breaks_on_what_another_check_remembered_is_told_with_what_it_saw(tmp_path):
    @checks.check("low")
    def low(subject, observation):
        del subject
        assert observation.outputs["y"].max() < 1

    def answer(inputs):
        if len(inputs["x"]) > 4:
            raise refusal(message="too many rows")
        return {"y": np.ones(len(inputs["x"]), np.float32)}

    judged = subject(answer, ROWS, settings={"database": tmp_path})
    assert checks.run(checks.checks()["outputs"], judged).violation.inputs["x"].shape == (5, 3)
    found = checks.run(checks.checks()["low"], judged)
    assert found.verdict == "fail"
    assert found.violation.inputs["x"].shape == (1, 3)


@pytest.mark.usefixtures("own_checks")
def test_a_users_check_says_what_it_holds_when():
    @checks.check("described")
    def described(subject, observation):
        """Prices are round.

        And more of that.
        """
        del subject, observation

    @checks.check("bare")
    def bare(subject, observation):
        del subject, observation

    known = checks.checks()
    assert known["described"].holds_when == "Prices are round."
    assert known["bare"].holds_when == "bare"
    assert known["described"].inspects
    assert not known["described"].against_baseline
    assert not known["described"].alone
    assert known["described"].wanted(ROWS) is True
    assert list(known)[-2:] == ["described", "bare"]


def test_which_of_our_checks_compare_and_which_want_a_server_alone():
    known = checks.checks()
    assert {name for name, entry in known.items() if entry.against_baseline} == {
        "compatible", "drift", "no_slower", "swap",
    }  # fmt: skip
    assert {name for name, entry in known.items() if entry.alone} == {"rejects_invalid", "latency", "swap"}
    assert {name for name, entry in known.items() if entry.inspects} == {"outputs", "finite", "values"}
    assert all(entry.name == name and entry.holds_when for name, entry in known.items())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("finite", "a check named 'finite' exists already: choose another name"),
        ("no spaces", "'no spaces' cannot name a check: use letters, digits and underscores, as in 'price_is_rounded'"),
    ],
)
def test_a_name_that_is_taken_or_malformed_is_told(name, says):
    with pytest.raises(UsageError) as caught:
        checks.check(name)
    assert str(caught.value) == says


def names(stated=None, **selection):
    return [entry.name for entry in checks.applicable(replace(ROWS, checks=stated or {}), **selection)]


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"finit": True}, "there is no check 'finit'; did you mean 'finite'?"),
        ({"zzz": True}, "there is no check 'zzz'; it is one of loads, signature, outputs, finite, values, "),
        ({"finite": {"rtol": 1}}, "checks.finite has no options; 'rtol' was given"),
        ({"deterministic": {"rtl": 1}}, "checks.deterministic has no option 'rtl'; did you mean 'rtol'?"),
        ({"deterministic": {"zz": 1}}, "checks.deterministic has no option 'zz'; it is one of rtol, atol"),
        (
            {"rejects_invalid": {"strict": 1}},
            "checks.rejects_invalid.strict = 1 is not of the type of its default, False",
        ),
        ({"deterministic": {"rtol": True}}, "checks.deterministic.rtol = True is not of the type of its default, None"),
        ({"deterministic": {"rtol": "1"}}, "checks.deterministic.rtol = '1' is not of the type of its default, None"),
        ({"concurrent": {"threads": 1.5}}, "checks.concurrent.threads = 1.5 is not of the type of its default, 0"),
        ({"no_slower": {"tolerance": "1"}}, "checks.no_slower.tolerance = '1' is not of the type of its default, 0.1"),
        ({"swap": {"slowest": 1}}, "checks.swap.slowest = 1 is not of the type of its default, ''"),
    ],
)
def test_what_a_contract_says_of_checks_is_understood(stated, says):
    with pytest.raises(ContractError) as caught:
        names(stated)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    "stated",
    [
        {"deterministic": {"rtol": 1}}, {"deterministic": {"rtol": 0.5}}, {"no_slower": {"tolerance": 1}},
        {"concurrent": {"threads": 3}}, {"swap": {"slowest": "1s"}}, {"rejects_invalid": {"strict": True}},
    ],
)  # fmt: skip
def test_options_are_of_the_type_of_their_default(stated):
    assert set(stated) <= set(names(stated))


@pytest.mark.parametrize("selection", ["only", "skip"])
def test_a_selection_names_checks_that_there_are(selection):
    with pytest.raises(ContractError, match="there is no check 'finte'; did you mean 'finite'"):
        names(**{selection: ("finte",)})


def test_a_search_counts_what_it_judged():
    def examine(inputs):
        if len(inputs["x"]) > 4:
            raise refusal()

    judged = subject(sums, ROWS)
    found = search(judged, examine, holds="fine for {examples} requests")
    count = int(found.message.removeprefix("fine for ").removesuffix(" requests"))
    assert 0 < count < found.examples == 100
    assert search(judged, raising(refusal()), holds="").message == (
        "not judged: no request was answered; see the check outputs"
    )
    assert search(judged, raising(refusal()), holds="").verdict == "error"


def test_a_search_shows_the_smallest_request_unless_the_violation_names_one():
    def wide(inputs):
        if len(inputs["x"]) > 4:
            raise Violation("wide")

    found = search(subject(sums, ROWS), wide, holds="")
    assert found.violation.inputs["x"].shape == (5, 3)
    assert found.examples <= 100
    own = {"x": np.ones((1, 3))}
    found = search(subject(sums, ROWS), raising(Violation("own", own)), holds="")
    assert found.violation.inputs is own
    assert found.examples == 1


def test_a_search_of_the_hasty_makes_nothing_small():
    calls = []

    def wide(inputs):
        calls.append(inputs)
        if len(inputs["x"]) > 4:
            raise Violation("wide")

    found = search(subject(sums, ROWS, settings={"hasty": True}), wide, holds="")
    assert len(calls) == found.examples


def test_a_search_ends_at_a_time_out():
    with pytest.raises(Exception, match="late"):
        search(subject(sums, ROWS), raising(refusal("DEADLINE_EXCEEDED", "late")), holds="")


@pytest.mark.parametrize("name", ["finite", "deterministic"])
def test_failing_inputs_are_remembered_between_runs(name, tmp_path):
    count = itertools.count()

    def answer(inputs):
        odd = len(inputs["x"]) >= 4 and (name == "finite" or next(count) % 2)
        return {"y": np.full(len(inputs["x"]), np.nan if odd else 0, np.float32)}

    settings = {"database": tmp_path}
    first, _ = inspected(name, answer, settings=settings)
    second, judged = inspected(name, answer, settings={**settings, "max_examples": 1})
    assert first.verdict == second.verdict == "fail"
    assert second.violation.inputs["x"].shape == (4, 3)
    assert judged.settings.max_examples == 1


@pytest.mark.parametrize("name", ["finite", "deterministic"])
def test_the_same_seed_draws_the_same_requests(name):
    def drawn(seed):
        seen = []
        inspected(name, lambda inputs: seen.append(inputs["x"].tobytes()) or sums(inputs), settings={"seed": seed})
        return seen

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_subject_asks_by_its_method_and_transport():
    seen = {}

    class Model(FakeModel):
        def predict(self, _, **options):
            seen["predict"] = options
            return {}

        def classify(self, _, **options):
            seen["classify"] = options
            return {"classes": np.zeros(1), "scores": np.zeros(1), "more": np.zeros(1)}

        def regress(self, _, **options):
            seen["regress"] = options
            return {"outputs": np.zeros(2)}

    for method, outputs in (("predict", {}), ("classify", {"scores": Tensor()}),
                            ("regress", {"outputs": Tensor("float32", ["batch", 1])})):  # fmt: skip
        signature = Signature(method=method, inputs={"inputs": Tensor("string", ["batch"])}, outputs=outputs)
        judged = subject(None, signature)
        judged.model = Model(None, None, spec_of(signature))
        answer = judged.ask({"examples": []}, transport="rest")
        assert seen[method] == {"signature": "serving_default", "transport": "rest", "timeout": 5.0}
        assert {name: array.shape for name, array in answer.items()} == {
            "predict": {}, "classify": {"scores": (1,)}, "regress": {"outputs": (2, 1)},
        }[method]  # fmt: skip
        judged.ask({"examples": []})
        assert seen[method]["transport"] == "grpc"


def test_an_observation_is_an_answer_or_a_refusal():
    judged = subject(half, ROWS)
    small, large = ({"x": np.zeros((rows, 3), np.float32)} for rows in (2, 5))
    found = judged.observe(small)
    assert (found.inputs, found.error, found.timed_out) == (small, None, False)
    assert found.outputs["y"].tolist() == [0, 0]
    found = judged.observe(large)
    assert (found.outputs, found.error.code, found.timed_out) == ({}, "INVALID_ARGUMENT", False)
    judged.model._answers["grpc"] = raising(refusal("DEADLINE_EXCEEDED"))
    assert judged.observe(small).timed_out
    assert judged.timed_out


@pytest.mark.parametrize(("alive", "code"), [(True, "UNAVAILABLE"), (False, "INTERNAL")])
def test_a_server_is_dead_only_where_it_is_unavailable_and_gone(alive, code, monkeypatch):
    monkeypatch.setattr("pytest_tfsig.checks.subject._DYING_SECONDS", 0.02)
    judged = subject(raising(refusal(code, "gone")), ROWS)
    judged.model.server.is_alive = alive
    assert judged.observe({"x": np.zeros((1, 3), np.float32)}).error.code == code


def test_a_server_may_take_a_moment_to_die():
    judged = subject(raising(refusal("UNAVAILABLE", "gone")), ROWS)
    left = itertools.count()
    judged.model.server.alive = lambda: next(left) < 5
    inputs = {"x": np.zeros((1, 3), np.float32)}
    with pytest.raises(ServerDied, match=r"the server died while it answered a request. The end of its log:\nCheck f"):
        judged.observe(inputs)
    with pytest.raises(ServerDied) as caught:
        judged.observe(inputs)
    assert caught.value.inputs is inputs
    assert caught.value.log == "Check failed: it died"


def test_the_first_that_an_inspection_sees_is_kept():
    asked = []

    def answer(inputs):
        asked.append(inputs["x"])
        return broken_from(4)(inputs)

    seen = subject(answer, ROWS).shared_pass()
    failing = [array for array in asked if len(array) >= 4]
    assert len(failing) > 10
    assert np.array_equal(seen.found["finite"].inputs["x"], failing[0])
    assert (seen.asked, seen.answered, seen.died) == (100, 100, None)


@pytest.mark.usefixtures("own_checks")
def test_an_inspection_that_saw_a_violation_or_broke_is_not_shown_more():
    calls = []

    @checks.check("once")
    def once(subject, observation):
        del subject
        calls.append(observation)
        raise ZeroDivisionError

    subject(sums, ROWS).shared_pass()
    assert len(calls) == 1


def test_outputs_that_only_the_model_declares_are_answered_as_they_are():
    signature = Signature(
        method="classify", inputs={"inputs": Tensor("string", ["batch"])}, outputs={"scores": Tensor()}
    )
    both = replace(signature, outputs={"scores": Tensor(), "classes": Tensor("string", ["batch", 1])})
    answer = lambda _: {"scores": np.zeros(2), "classes": np.zeros(2)}  # noqa: E731
    judged = subject(answer, signature, spec=spec_of(both))
    assert {name: array.shape for name, array in judged.ask({"examples": []}).items()} == {
        "scores": (2,), "classes": (2,),
    }  # fmt: skip
