from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig import protos
from pytest_tfsig.model_server import batches
from pytest_tfsig.model_server.batches import Batch, Task
from pytest_tfsig.model_server.batching import Parameters, _Queue
from pytest_tfsig.model_server.status import Code, StatusError


def task(*rows: float, due: float | None = None) -> Task:
    return Task({"x": np.array(rows, np.float32)}, len(rows), due)


def batch_of(*tasks: Task) -> Batch:
    batch = Batch()
    for one in tasks:
        (piece,) = one.split([one.size])
        batch.add(piece)
    return batch


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20), limit=st.integers(5, 9))
def test_every_row_comes_back_to_its_request(sizes, limit):
    queue = _Queue(lambda _: None, Parameters(largest=limit, largest_run=limit, most_waiting=100))
    tasks = []
    for index, size in enumerate(sizes):
        tasks.append(task(*[index * 10.0 + row for row in range(size)]))
        queue.add(tasks[-1], 0.0)
    while (batch := queue.take(1.0)) is not None:
        assert batch.size <= limit
        merged = batch.merge(batch.size, pads=False)
        batch.finish({"y": merged["x"] * 2}, batch.size)
    for one in tasks:
        np.testing.assert_array_equal(one.result()["y"], one.feeds["x"] * 2)


@given(size=st.integers(1, 40), limit=st.integers(1, 8), before=st.integers(0, 8))
def test_a_large_request_is_spread_over_batches(size, limit, before):
    parameters = Parameters(largest=50, largest_run=limit, splits=True, most_waiting=100)
    queue = _Queue(lambda _: None, parameters)
    tasks = [task(*range(count)) for count in (min(before, limit), size) if count]
    for one in tasks:
        queue.add(one, 0.0)
    while (batch := queue.take(1.0)) is not None:
        assert 1 <= batch.size <= limit
        batch.finish({"y": batch.merge(batch.size, pads=False)["x"]}, batch.size)
    for one in tasks:
        np.testing.assert_array_equal(one.result()["y"], one.feeds["x"])


def test_a_batch_is_filled_up_with_the_last_requests_first_row():
    merged = batch_of(task(1, 2), task(3, 4)).merge(6, pads=False)
    assert merged["x"].tolist() == [1, 2, 3, 4, 3, 3]


def rank_two(*rows: list[float]) -> Task:
    return Task({"x": np.array(rows, np.float32)}, len(rows), None)


def test_padding_repeats_each_requests_first_value():
    merged = batch_of(rank_two([1, 2]), rank_two([3, 4, 5])).merge(2, pads=True)
    assert merged["x"].tolist() == [[1, 2, 1], [3, 4, 5]]


@pytest.mark.parametrize(
    ("tasks", "pads", "code", "said"),
    [
        (
            [rank_two([1]), rank_two([1, 2])],
            False,
            Code.FAILED_PRECONDITION,
            "have different shapes and padding is turned off",
        ),
        ([rank_two([]), rank_two([1])], True, Code.INVALID_ARGUMENT, "Got empty tensor in batch of non-empty tensors."),
        ([task(1), rank_two([1])], True, Code.INVALID_ARGUMENT, "Only tensors with rank from 1 to 6 can be padded."),
        (
            [task(1), Task({"x": np.ones(1)}, 1, None)],
            False,
            Code.INTERNAL,
            "Cannot concatenate tensors that have different data types",
        ),
    ],
)
def test_requests_that_do_not_go_together(tasks, pads, code, said):
    with pytest.raises(StatusError) as refused:
        batch_of(*tasks).merge(2, pads=pads)
    assert refused.value.code is code
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (np.float32(1), "Batched output tensor has 0 dimensions"),
        (np.ones(3), "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes"),
    ],
)
def test_outputs_without_a_row_for_each_row(output, said):
    with pytest.raises(StatusError, match=said):
        batch_of(task(1), task(2)).finish({"y": output}, 2)


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, "Batching Run() must have at least one input tensor"),
        ({"x": np.float32(1)}, "Batching Run() input tensors must have at least one dimension"),
        ({"x": np.ones(1), "y": np.ones(2)}, "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_inputs_without_a_common_number_of_rows(feeds, said):
    with pytest.raises(StatusError) as refused:
        batches.common_size(feeds)
    assert refused.value.message == said


def test_deadlines_of_a_batch():
    assert batch_of(task(1, due=5.0), task(1)).deadline(9.0) is None
    assert batch_of(task(1, due=5.0), task(1, due=10.0)).deadline(9.0) == 10.0
    with pytest.raises(StatusError, match="timeout exceeded while waiting in batching queue"):
        batch_of(task(1, due=5.0)).deadline(9.0)


def test_parameters_have_tensorflow_servings_defaults():
    parameters = Parameters.from_message(protos.BatchingParameters())
    assert (parameters.largest, parameters.seconds, parameters.most_waiting) == (1000, 0.0, 10)
    assert not parameters.splits
