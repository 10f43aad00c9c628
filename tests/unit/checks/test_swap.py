"""The check swap on a server that is a Python object, and that swaps versions well or badly as a test tells it to."""

from __future__ import annotations

import itertools
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_tfsig import protos, tensors
from pytest_tfsig.checks import Baseline, Settings, Subject, checks, run
from pytest_tfsig.clients import ServingError
from pytest_tfsig.contract import Signature, Tensor
from pytest_tfsig.errors import ModelLoadError, ServerError
from tests.unit.checks.fakes import spec_of

SIGNATURE = Signature(
    inputs={"x": Tensor("float32", ["batch", 2], min=-1, max=1)}, outputs={"y": Tensor("float32", ["batch", 2])}
)


class Server:
    """Serves versions of models that add their number to what they are asked."""

    kind = "embedded"

    def __init__(self):
        self.served = {"fake": {2}}
        self.labels = {}
        self.incarnation = "here:1"
        self.dead = False
        self.calls = []
        self.random = itertools.count()

    def add(self, name, version, directory, *, labels=None):
        self.calls.append(("add", version))
        assert (directory / "saved_model.pb").exists()
        time.sleep(0.02)
        self.labels[name] = self.labels.get(name, {}) | (labels or {})
        self.served.setdefault(name, set()).add(version)

    def label(self, name, labels):
        self.calls.append(("label", labels))
        self.labels[name] |= labels

    def remove(self, name, version=None):
        self.calls.append(("remove", version))
        if version is None:
            self.served.pop(name, None)
            return
        time.sleep(0.02)
        self.labels[name] = {label: number for label, number in self.labels[name].items() if number != version}
        self.served[name].discard(version)

    def revive(self):
        was_dead, self.dead = self.dead, False
        return was_dead

    def alive(self):
        return not self.dead

    def logs(self):
        return "Check failed: it died"

    def version(self, name, label):
        versions = self.served.get(name, set())
        version = self.labels[name].get(label) if label else max(versions, default=None)
        if version not in versions:
            raise ServingError("NOT_FOUND", "Servable not found for request", "grpc")
        return version

    def answer(self, x, version):
        return x + version

    def predict(self, name, x, label):
        version = self.version(name, label)
        return version, self.answer(x, version)

    def call(self, method, data, *, timeout):
        assert (method, timeout) == ("Predict", 5.0)
        request = protos.PredictRequest.FromString(data)
        version, y = self.predict(
            request.model_spec.name, tensors.from_proto(request.inputs["x"]), request.model_spec.version_label
        )
        response = protos.PredictResponse(model_spec=protos.ModelSpec(name=request.model_spec.name))
        response.model_spec.version.value = version
        response.outputs["y"].CopyFrom(tensors.to_proto(np.asarray(y, np.float32)))
        return response.SerializeToString()


@pytest.fixture
def directories(tmp_path):
    for version in "12":
        (tmp_path / version).mkdir()
        (tmp_path / version / "saved_model.pb").touch()
    return tmp_path


@pytest.fixture
def judge(directories):
    def judge(server, *, over_rest=False, baseline=SIGNATURE, under_xdist=False, **options):
        signature = Signature(inputs=SIGNATURE.inputs, outputs=SIGNATURE.outputs, checks={"swap": options})

        def rest(name, inputs, *, label, **_):
            return {"y": server.predict(name, inputs["x"], label)[1]}

        model = SimpleNamespace(
            name="fake",
            version=2,
            server=server,
            grpc=SimpleNamespace(call=server.call),
            rest=SimpleNamespace(predict=rest),
            rest_url="http://here" if over_rest else None,
            signatures={"serving_default": spec_of(SIGNATURE)},
            logs=server.logs,
        )
        released = Baseline(str(directories / "1"), 1, {baseline.name: spec_of(baseline)}, lambda: model)
        settings = Settings(seed=1, timeout=5.0, under_xdist=under_xdist)
        saved_model = SimpleNamespace(path=directories / "2")
        subject = Subject(model, signature, spec_of(signature), settings, saved_model, baseline=released)
        return run(checks()["swap"], subject)

    return judge


@pytest.mark.parametrize(("over_rest", "transports"), [(False, "gRPC,"), (True, "gRPC and REST,")])
def test_a_server_that_swaps_well_passes_and_is_left_as_it_was(judge, over_rest, transports):
    server = Server()
    outcome = judge(server, over_rest=over_rest)
    assert (outcome.verdict, outcome.violation) == ("pass", None)
    assert f"requests over {transports}" in outcome.message
    assert server.served == {"fake": {2}}
    assert server.calls == [
        ("add", 1), ("add", 2), ("label", {"stable": 2}), ("remove", 1), ("add", 1), ("label", {"stable": 1}),
        ("remove", 2), ("remove", None),
    ]  # fmt: skip
    stages = outcome.details["stages"]
    assert len(stages) == 12
    assert sum(stage["requests"] for stage in stages.values()) == outcome.examples


class WithAGap(Server):
    """Stops serving the old version before the new one is there."""

    def add(self, name, version, directory, *, labels=None):
        if version == 2:
            self.served[name].discard(1)
        super().add(name, version, directory, labels=labels)


class Stale(Server):
    """Goes on answering from the version that was unloaded."""

    def version(self, name, label):
        version = super().version(name, label)
        return 1 if name != "fake" and not label else version


class Mixed(Server):
    """Says that an answer is of the new version when it is still the old one's."""

    def answer(self, x, version):
        loading = ("add", 2) in self.calls and ("remove", 1) not in self.calls
        return x + (1 if loading else version)


class Torn(Server):
    """Answers with one value of each version while both are there."""

    def answer(self, x, version):
        y = x + version
        if ("add", 2) in self.calls and ("remove", 1) not in self.calls:
            y[:, 0] = x[:, 0] + 3 - version
        return y


class WithStuckLabels(Server):
    """Takes a label that moves, and leaves it where it was."""

    def label(self, _, labels):
        self.calls.append(("label", labels))


class WithoutCanary(Server):
    """Does not know a label that came with a version."""

    def add(self, name, version, directory, *, labels=None):
        super().add(name, version, directory, labels=None if version == 2 else labels)


@pytest.mark.parametrize(
    ("planted", "sentence", "actual"),
    [
        (
            WithAGap,
            r"a request .* is refused while the candidate is loaded",
            "gRPC NOT_FOUND: Servable not found for request",
        ),
        (
            Stale,
            r"the released version answers a request that names no version, with both versions served",
            "the answer says that it is of version 1",
        ),
        (
            Mixed,
            r"a request .* gets the answer of the released version, which says that it is of the candidate, w.*",
            r"now: y = float32",
        ),
        (Torn, r"a request .* gets an answer that neither version gives alone, w.*", r"now: y = float32"),
        (
            WithStuckLabels,
            r"the released version answers a request for the label 'stable', after the label .* moved to the candidate",
            "the answer says that it is of version 1",
        ),
        (WithoutCanary, r"a request for the label 'canary' is refused with both versions served", "gRPC NOT_FOUND"),
    ],
)
def test_what_goes_wrong_is_told_with_its_time_and_a_request(judge, planted, sentence, actual):
    server = planted()
    outcome = judge(server)
    assert outcome.verdict == "fail"
    assert re.fullmatch(sentence, outcome.violation.sentence), outcome.violation.sentence
    assert actual in outcome.violation.actual
    assert outcome.violation.inputs["x"].shape[1] == 2
    assert server.served == {"fake": {2}}


def test_over_rest_an_answer_must_be_of_a_version_that_may_answer(judge):
    class OverRest(Server):
        def predict(self, name, x, label):
            version, y = super().predict(name, x, label)
            on_rest = threading.current_thread().name.endswith("_3")
            alone = ("remove", 1) in self.calls
            return version, x + 1 if on_rest and alone else y

    outcome = judge(OverRest(), over_rest=True)
    assert outcome.violation.sentence.startswith("a request")
    assert "gets the answer of the released version, w" in outcome.violation.sentence


def test_one_slow_swap_is_forgiven_and_three_are_not(judge):
    class Slow(Server):
        swaps = 0

        def __init__(self, slow):
            super().__init__()
            self.slow = slow

        def add(self, name, version, directory, *, labels=None):
            self.swaps += ("remove", 1) not in self.calls and version == 1
            super().add(name, version, directory, labels=labels)

        def remove(self, name, version=None):
            super().remove(name, version)
            if version is None:
                self.calls.clear()

        def answer(self, x, version):
            if self.calls[-1:] == [("add", 2)] and self.swaps in self.slow:
                self.slow = self.slow - {self.swaps}
                time.sleep(0.7)
            return super().answer(x, version)

    forgiven = judge(Slow({1, 2}), slowest="0.5s")
    assert forgiven.verdict == "pass"
    outcome = judge(Slow({1, 2, 3}), slowest="0.5s")
    assert outcome.violation.sentence.startswith("a request took 7")
    assert "at most 500 ms (checks.swap.slowest)" in outcome.violation.expected
    assert "tfsig warmup" in outcome.violation.advice


def test_what_a_busy_server_turns_away_is_repeated(judge):
    class Busy(Server):
        def predict(self, name, x, label):
            if name != "fake" and ("add", 2) in self.calls and next(self.random) % 2:
                raise ServingError("RESOURCE_EXHAUSTED", "too many", "grpc")
            return super().predict(name, x, label)

    assert judge(Busy()).verdict == "pass"


def test_answers_that_differ_each_time_are_not_compared(judge):
    class Random(Server):
        def answer(self, x, version):
            return x + version + next(self.random)

    outcome = judge(Random())
    assert outcome.verdict == "pass"
    assert "answers were not compared" in outcome.message


def test_a_version_that_does_not_load_beside_the_other_fails(judge):
    class Full(Server):
        def add(self, name, version, directory, *, labels=None):
            if version == 2:
                raise ModelLoadError("out of memory")
            super().add(name, version, directory, labels=labels)

    outcome = judge(Full())
    assert outcome.violation.sentence == "the server does not do what it is asked to while the candidate is loaded"
    assert outcome.violation.actual == "out of memory"


def test_a_released_version_that_does_not_load_is_an_error(judge):
    class Broken(Server):
        def add(self, *_, **__):
            raise ModelLoadError("no such variable")

    outcome = judge(Broken())
    assert (outcome.verdict, outcome.message) == (
        "error", "not judged: the released version does not load: no such variable",
    )  # fmt: skip


class Dying(Server):
    """Dies when the candidate is unloaded, so often."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def predict(self, name, x, label):
        if self.dead:
            raise ServingError("UNAVAILABLE", "Socket closed", "grpc")
        return super().predict(name, x, label)

    def remove(self, name, version=None):
        if version == 2 and self.times:
            self.times -= 1
            self.dead = True
            raise ServerError("cannot be removed: UNAVAILABLE")
        super().remove(name, version)


def test_a_server_that_dies_fails_and_comes_back_without_the_servable(judge):
    server = Dying(1)
    outcome = judge(server)
    assert outcome.verdict == "fail"
    assert server.alive()
    assert server.served == {"fake": {2}}


@pytest.mark.parametrize(("times", "verdict"), [(2, "pass"), (3, "error")])
def test_a_server_that_others_share_may_have_died_of_another_test(judge, times, verdict):
    outcome = judge(Dying(times), under_xdist=True)
    assert outcome.verdict == verdict
    assert verdict == "pass" or "run without -n" in outcome.message


def test_requests_that_one_version_refuses_are_skipped_with_the_reason(judge):
    class Strict(Server):
        def answer(self, x, version):
            if version == 1:
                raise ServingError("INVALID_ARGUMENT", "no such input", "grpc")
            return super().answer(x, version)

    outcome = judge(Strict())
    assert outcome.verdict == "skip"
    assert outcome.message.startswith("no request is answered by both versions (gRPC INVALID_ARGUMENT: no such input)")


def test_a_new_signature_is_skipped(judge):
    outcome = judge(Server(), baseline=Signature("other", SIGNATURE.inputs, SIGNATURE.outputs))
    assert (outcome.verdict, outcome.message) == (
        "skip", "the signature is new: nobody asks it while versions are swapped",
    )  # fmt: skip


def test_a_bound_that_is_no_duration_is_an_error(judge):
    outcome = judge(Server(), slowest="1")
    assert outcome.verdict == "error"
    assert outcome.message.startswith('checks.swap.slowest: "1" has no unit')
