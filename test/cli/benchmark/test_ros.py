"""The benchmark of the ways of running the loop, on small images."""

import json
import os

import pytest

from aif_ros.cli.benchmark import ros


def test_each_way_is_measured_and_the_live_page(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setattr(ros, "_SIZES", ((192, 144, 60.0),))
    path = tmp_path / "cost.json"
    assert ros.run(ros.Arguments(rounds=1, page=True, json=path)) == 0
    report = json.loads(path.read_text())
    costs = report["sizes"]["192x144"]
    assert set(costs) == {"library", "processes", "processes_with_page", "page", "one_process"}
    for cost in costs.values():
        assert cost["fused_images"] > 0
        assert cost["latency_ms"]["median"] > 0
    page = report["live_page"]["192x144"]
    latencies = {way: cost["latency_ms"]["median"] for way, cost in costs.items()}
    later = latencies["page"] - latencies["processes_with_page"]
    assert page["later_than_processes_ms"] == pytest.approx(later, abs=0.2)
    assert page["fewer_fused_images_percent"] < 100.0
