"""The cost of ways of running the loop: what is counted, and the stack that the loop runs on."""

import os

import numpy as np
import pytest

from aif_ros.benchmarks.running_cost import LoopCost, ProcessWatch, core_cost, rate, write_stack
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.settings.presets import PRESETS


def test_rate_counts_intervals_within_each_run():
    assert rate([[0, 10**8, 2 * 10**8], [10**12, 10**12 + 10**8]]) == pytest.approx(10.0)
    assert np.isnan(rate([[5]]))


def test_percentiles_and_time_per_image():
    cost = LoopCost([1.0, 2.0, 3.0], 4.0, {"a": 0.5}, 0.3, {"a": 100.0})
    result = cost.as_dict()
    assert result["latency_ms"]["median"] == 2.0
    assert result["latency_ms"]["p95"] == pytest.approx(2.9)
    assert result["cpu_ms_per_image"] == pytest.approx(100.0)


def test_processes_are_watched():
    watch = ProcessWatch({"me": os.getpid()})
    watch.sample()
    sum(range(10**6))
    assert watch.memory["me"] > 1.0
    assert watch.cpu()["me"] >= 0.0
    assert watch.cpu_seconds() >= 0.0


def test_the_library_runs_on_the_stack(tmp_path):
    write_stack(tmp_path / "stack", 160, 120)
    assert FocalStack(tmp_path / "stack").size == (160, 120)
    cost = core_cost(tmp_path / "stack", PRESETS["classical"], "sweep", 1, 60.0)
    assert len(cost.latencies) >= 3
    assert min(cost.latencies) > 0
