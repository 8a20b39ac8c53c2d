"""Bringing processes up where the network is not perfect."""

import os
import signal
import subprocess
import sys
import time

import pytest
from lifecycle_msgs.srv import ChangeState

from aif_ros.bringup import lifecycle, processes, supervisor
from aif_ros.bringup.graph import pipeline_graph
from aif_ros.settings.pipeline import PipelineSettings


@pytest.mark.parametrize("service", ["change_state", "get_state"])
def test_lost_responses_do_not_stop_the_bring_up(service, monkeypatch, tmp_path):
    take = lifecycle._Call.take
    lost = []

    def lose_every_other(call, now):
        response = take(call, now)
        if response is not None and call._client.srv_name.endswith(service):
            lost.append(response)
            return response if len(lost) % 2 == 0 else None
        return response

    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setattr(lifecycle, "_CHANGE_RESPONSE", 0.5)
    monkeypatch.setattr(lifecycle._Call, "take", lose_every_other)
    graph = pipeline_graph(
        PipelineSettings(
            preset="classical", scene="planes", width=160, namespace=f"lossy{os.getpid()}_{service}"
        )
    )
    with processes.run_in_processes(graph, log_directory=tmp_path) as running:
        assert lost
        assert any(isinstance(each, ChangeState.Response) for each in lost) == (
            service == "change_state"
        )
        assert running.spin_until(lambda: running.state is not None, 30.0)


@pytest.mark.parametrize(
    ("code", "busy"),
    [
        ("import time; print(flush=True); time.sleep(60)", False),
        ("print(flush=True)\nwhile 1: 1", True),
    ],
    ids=["sleeps", "computes"],
)
def test_a_process_that_computes_is_busy(code, busy):
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            deadline = time.monotonic() + 20.0
            while supervisor._is_busy(process.pid) != busy:
                assert time.monotonic() < deadline
            process.send_signal(signal.SIGSTOP)
            while supervisor._is_busy(process.pid):
                assert time.monotonic() < deadline
        finally:
            process.kill()
