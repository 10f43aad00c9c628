"""The test that a careful team writes by hand: the yardstick of ``full_contract.py``."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

MODEL = tf.saved_model.load(os.environ["TUMOUR_MODEL"])
SIGNATURE = MODEL.signatures["serving_default"]
SCORES = st.floats(-10, 10, width=32)
BATCHES = st.integers(1, 64).flatmap(lambda rows: arrays(np.float32, (rows, 10), elements=SCORES))


@settings(max_examples=100, deadline=None)
@given(BATCHES)
def test_tumour(batch: np.ndarray) -> None:
    answer = SIGNATURE(input=tf.constant(batch))
    assert set(answer) == {"output"}
    output = answer["output"].numpy()
    assert output.dtype == np.float32
    assert output.shape == (len(batch), 1)
    assert np.isfinite(output).all()
    assert ((output >= 0) & (output <= 1)).all()
    np.testing.assert_array_equal(output, SIGNATURE(input=tf.constant(batch))["output"].numpy())
