"""Bringing processes up where the network is not perfect."""

import os

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from rclpy.task import Future

from aif_ros.bringup import lifecycle, processes
from aif_ros.bringup.graph import pipeline_graph
from aif_ros.settings.pipeline import PipelineSettings


@pytest.mark.parametrize(
    "transition", [Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE]
)
def test_a_lost_answer_does_not_stop_the_bring_up(transition, monkeypatch, tmp_path):
    request = lifecycle._request

    def lose_answer_of_the_lens(client, wanted):
        future = request(client, wanted)
        lost = wanted == transition and client.srv_name.endswith("lens/change_state")
        return Future() if lost else future

    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setattr(lifecycle, "_RESPONSE", 0.5)
    monkeypatch.setattr(lifecycle, "_request", lose_answer_of_the_lens)
    graph = pipeline_graph(
        PipelineSettings(
            preset="classical",
            scene="planes",
            width=160,
            namespace=f"lossy{os.getpid()}_{transition}",
        )
    )
    with processes.run_in_processes(graph, log_directory=tmp_path) as running:
        for node in graph.nodes:
            client = running.node.create_client(GetState, f"{graph.full_name(node)}/get_state")
            assert client.wait_for_service(10.0)
            answer = client.call_async(GetState.Request())
            assert running.spin_until(answer.done, 10.0)
            assert answer.result().current_state.id == State.PRIMARY_STATE_ACTIVE
