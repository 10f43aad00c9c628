"""tfsig init --observe: what it proposes, and that it holds for the very model that it was observed of."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from benchmarks.planted_bugs.building import SPECIMENS, built
from pytest_tfsig.cli import main
from pytest_tfsig.contract import loads

SOUND = ("cnn_with_batch_norm", "lstm_with_masking", "text_with_vocabulary", "examples_classified", "argmax_with_ties")
"""Images, sequences of one length, text, tf.Examples and class numbers."""


@pytest.fixture
def observed(models, capsys):
    """Returns what `tfsig init --observe` prints of a model."""

    def observed(name, inputs=100):
        path = built([name])[name] if name in SPECIMENS else models(name)
        assert main(["init", str(path), "--observe", str(inputs), "--server", "embedded"]) == 0
        return capsys.readouterr().out

    return observed


@pytest.mark.slow
def test_what_it_prints_holds_for_the_model(observed, tmp_path):
    for name in (*SOUND, "classifier", "two_inputs", "keras_exported"):
        text = observed(name)
        assert tomllib.loads(text)["signatures"].keys() == loads(text).signatures.keys()
        (tmp_path / f"{name}.tfsig.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tfsig-server=embedded", "-p", "no:cacheprovider", "--rootdir=."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_probabilities_and_latency_are_proposed(observed):
    text = observed("classifier")
    signature = loads(text).signatures["serving_default"]
    assert signature.outputs["probabilities"].probabilities.axis == -1
    assert "# in [0, 1] and summing to 1 in 100 answers with " in text
    assert [budget.metric for budget in signature.latency] == ["p99"]
    assert "# 50 single requests to the embedded server took " in text


def test_few_inputs_prove_little(observed):
    text = observed("classifier", 5)
    assert loads(text).signatures["serving_default"].outputs["probabilities"].probabilities is None
    assert "would hold for these alone" in text


def test_a_check_that_does_not_hold_is_switched_off_with_the_reason(observed):
    text = observed("batch_statistics", 30)
    assert loads(text).signatures["serving_default"].checks["batch_invariant"] is False
    assert "# batch_invariant does not hold: " in text


def test_a_model_that_answers_nothing_is_told(observed):
    text = observed("keras_saved_wrongly", 5)
    assert "# Nothing was observed: " in text
    assert "Could not find variable" in " ".join(text.replace("#", "").split())
    loads(text)


@pytest.mark.parametrize("count", ["0", "-3"])
def test_no_input_observes_nothing(models, capsys, count):
    assert main(["init", str(models("classifier")), "--observe", count]) == 2
    assert f"--observe {count}: at least one input is wanted" in capsys.readouterr().err
