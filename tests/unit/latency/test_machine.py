from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest

from pytest_tfsig.latency import machine
from pytest_tfsig.latency.machine import Load, LoadMeter, quiet_collector


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_found(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with quiet_collector():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
        with pytest.raises(KeyError), quiet_collector():
            raise KeyError
        assert gc.isenabled() is enabled
    finally:
        gc.enable()


def test_load_is_the_difference_of_two_readings(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    monkeypatch.setattr(machine.time, "process_time", lambda: 7.0)
    #                user nice system idle iowait irq softirq steal guest guest_nice
    stat.write_text("cpu  100 0 100 700 50 0 0 50 90 0\ncpu0 1 2 3\n", encoding="ascii")
    meter = LoadMeter()
    stat.write_text("cpu  140 0 110 730 50 0 0 70 99 0\ncpu0 1 2 3\n", encoding="ascii")
    load = meter.read()
    assert (load.own, load.other, load.steal) == (0, pytest.approx(0.5), pytest.approx(0.2))
    assert "50% others (server included), 20% steal" in str(load)


def test_our_own_share_is_no_part_of_the_others(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    monkeypatch.setattr(machine, "os", SimpleNamespace(cpu_count=lambda: 4))
    used, seconds = iter([10.0, 12.0]), iter([100.0, 105.0])
    ticks = SimpleNamespace(process_time=lambda: next(used), monotonic=lambda: next(seconds))
    monkeypatch.setattr(machine, "time", ticks)
    stat.write_text("cpu  100 0 100 700 50 0 0 50 90 0\n", encoding="ascii")
    meter = LoadMeter()
    stat.write_text("cpu  140 10 110 720 60 5 5 50 99 0\n", encoding="ascii")
    load = meter.read()
    # Of four processors for five seconds, two seconds are ours; 70 of 100 jiffies were busy.
    assert load == Load(4, pytest.approx(0.1), pytest.approx(0.6), 0.0)


def test_others_use_no_less_than_nothing_and_one_processor_there_is(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    monkeypatch.setattr(machine, "os", SimpleNamespace(cpu_count=lambda: None))
    used, seconds = iter([0.0, 5.0]), iter([0.0, 10.0])
    ticks = SimpleNamespace(process_time=lambda: next(used), monotonic=lambda: next(seconds))
    monkeypatch.setattr(machine, "time", ticks)
    stat.write_text("cpu  0 0 0 0 0 0 0 0 0 0\n", encoding="ascii")
    meter = LoadMeter()
    stat.write_text("cpu  10 0 0 90 0 0 0 0 0 0\n", encoding="ascii")
    assert meter.read() == Load(1, 0.5, 0.0, 0.0)


def test_a_clock_of_the_system_that_stands_still_tells_nothing(monkeypatch, tmp_path):
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "_STAT", stat)
    stat.write_text("cpu  1 2 3 4 5 6 7 8 9 0\n", encoding="ascii")
    load = LoadMeter().read()
    assert (load.other, load.steal) == (None, None)


def test_where_the_system_does_not_tell_only_our_own_share_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "_STAT", tmp_path / "absent")
    load = LoadMeter().read()
    assert (load.other, load.steal) == (None, None)
    assert "others" not in str(load)
    assert load.as_dict()["processors"] == load.processors


def test_a_load_is_said_in_one_line():
    assert str(Load(2, 0.25, None, 0.0)) == str(Load(2, 0.25, 0.5, None)) == "2 CPUs: 25% this process"
    assert str(Load(2, 0.25, 0.5, 0.0)) == "2 CPUs: 25% this process, 50% others (server included), 0% steal"
