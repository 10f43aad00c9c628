"""Planted defects are found by the right check, and sound models raise no alarm: a part of benchmarks/planted_bugs."""

from __future__ import annotations

import pytest

from benchmarks.planted_bugs.building import SPECIMENS, built
from benchmarks.planted_bugs.judging import judged
from pytest_tfsig.options import Options
from pytest_tfsig.session import Session

PLANTED = [
    "renamed_output",
    "squeezed_batch_of_one",
    "last_token_id",
    "bytes_that_are_no_text",
    "vocabulary_left_behind",
    "warmup_of_another_width",
    "any_width",
    "softmax_over_the_batch",
    "division_by_norm",
    "integer_overflow",
    "classes_in_another_order",
    "padding_counts",
    "batch_statistics",
    "counter",
    "shared_scratch",
    "mean_for_rows_of_zeros",
    "last_row_never_trained",
    "last_word_without_a_vector",
    "thumbnail_without_bytes",
]
SOUND = [
    "lstm_with_masking",
    "half_precision_inside",
    "examples_regressed",
    "fake_quantised",
    "attention_with_mask",
    "direction_from_silence",
    "frames_with_mask",
    "jpegs_decoded",
    "words_beside_any_other",
]


@pytest.fixture(scope="module")
def paths():
    return built([*PLANTED, *SOUND])


@pytest.fixture(scope="module")
def session():
    session = Session(Options(server="embedded", max_examples=60), seed=11)
    yield session
    session.close()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found(session, paths, name):
    specimen = SPECIMENS[name]
    findings = judged(session, specimen, paths[name])
    assert specimen.found_by[0] in findings.failed, findings


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_model_raises_no_alarm(session, paths, name):
    findings = judged(session, SPECIMENS[name], paths[name])
    assert findings.alarms(SPECIMENS[name]) == [], findings.sentences | findings.undecided
