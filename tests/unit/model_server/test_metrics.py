from __future__ import annotations

from pytest_tfsig.model_server.metrics import REGISTRY, Counter, Histogram


def test_counters():
    counter = Counter("requests", ("model", "status"))
    counter.add(('a"b\\c', "OK"))
    counter.add(('a"b\\c', "OK"), 2)
    assert counter.lines() == [
        "# TYPE :tensorflow:serving:requests counter",
        ':tensorflow:serving:requests{model="a\\"b\\\\c",status="OK"} 3',
    ]


def test_histograms_are_cumulative():
    histogram = Histogram("latency", ("model",), 10, 2, 3)
    for value in (5, 15, 15, 1000):
        histogram.observe(("m",), value)
    assert histogram.lines() == [
        "# TYPE :tensorflow:serving:latency histogram",
        ':tensorflow:serving:latency_bucket{model="m",le="10"} 1',
        ':tensorflow:serving:latency_bucket{model="m",le="20"} 3',
        ':tensorflow:serving:latency_bucket{model="m",le="40"} 3',
        ':tensorflow:serving:latency_bucket{model="m",le="+Inf"} 4',
        ':tensorflow:serving:latency_sum{model="m"} 1035',
        ':tensorflow:serving:latency_count{model="m"} 4',
    ]


def test_every_metric_of_the_real_server_is_declared():
    declared = {line.split()[2]: line.split()[3] for line in REGISTRY.render().splitlines() if line.startswith("#")}
    assert declared == {
        ":tensorflow:serving:batching:mixed_priority_batching_policy": "gauge",
        ":tensorflow:serving:batching:padding_size_v2": "histogram",
        ":tensorflow:serving:batching:processed_batch_size_v2": "counter",
        ":tensorflow:serving:batching_session:queuing_latency": "histogram",
        ":tensorflow:serving:batching_session:wrapped_run_count": "counter",
        ":tensorflow:serving:mlmd_map": "gauge",
        ":tensorflow:serving:model_warmup_latency": "histogram",
        ":tensorflow:serving:model_warmup_records_read": "counter",
        ":tensorflow:serving:request_count": "counter",
        ":tensorflow:serving:request_example_count_total": "counter",
        ":tensorflow:serving:request_example_counts": "histogram",
        ":tensorflow:serving:request_latency": "histogram",
        ":tensorflow:serving:request_log_count": "counter",
        ":tensorflow:serving:runtime_latency": "histogram",
    }
