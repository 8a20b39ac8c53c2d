"""Bringing processes up where the network is not perfect."""

import itertools
import os
from dataclasses import replace

import pytest
from patience import PATIENCE

from aif_ros.bringup import hang_detector, lifecycle, processes, supervisor
from aif_ros.bringup.graph import BringupError, pipeline_graph
from aif_ros.settings.pipeline import PipelineSettings


@pytest.mark.parametrize("service", ["change_state", "get_state"])
def test_lost_responses_do_not_stop_the_bring_up(service, monkeypatch, tmp_path):
    take, count = lifecycle._Call.take, itertools.count()

    def lose(call, now):
        """All responses to transitions, or every other one with a state."""
        response = take(call, now)
        if response is None or not call._client.srv_name.endswith(service):
            return response
        return response if service == "get_state" and next(count) % 2 else None

    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setattr(hang_detector, "_SILENCE_IDLE", 60.0)
    monkeypatch.setattr(lifecycle._Call, "take", lose)
    graph = pipeline_graph(
        PipelineSettings(
            preset="classical", scene="planes", width=160, namespace=f"lossy{os.getpid()}_{service}"
        )
    )
    with processes.run_in_processes(graph, log_directory=tmp_path) as running:
        assert running.spin_until(lambda: running.state is not None, PATIENCE)


@pytest.mark.parametrize("most", [1, supervisor._MOST_STARTS])
def test_a_node_that_does_not_respond_is_started_again(most, monkeypatch, tmp_path):
    """The first process of the camera is in another namespace."""
    start, started = processes._Processes.start, []

    def start_elsewhere(nodes, name):
        started.extend([name] * (name == "camera"))
        with monkeypatch.context() as patch:
            if name == "camera" and len(started) == 1:
                patch.setattr(nodes, "_graph", replace(nodes._graph, namespace="/elsewhere"))
            start(nodes, name)

    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setattr(hang_detector, "_APPEARANCE_IDLE", 15.0)
    monkeypatch.setattr(supervisor, "_MOST_STARTS", most)
    monkeypatch.setattr(processes._Processes, "start", start_elsewhere)
    graph = pipeline_graph(
        PipelineSettings(
            preset="classical", scene="planes", width=160, namespace=f"again{os.getpid()}_{most}"
        )
    )
    bring_up = processes.run_in_processes(graph, log_directory=tmp_path)
    if most == 1:
        with pytest.raises(BringupError, match="did not respond, started 1 times"):
            bring_up.__enter__()
        return
    with bring_up as running:
        assert len(started) == 2
        assert running.spin_until(lambda: running.state is not None, PATIENCE)
