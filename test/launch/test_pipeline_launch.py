"""The launch file under launch_pytest: the loop runs and stops by itself."""
# ruff: noqa: E402 (what follows the import that may be missing)

import os
import time

import pytest
import rclpy

launch_pytest = pytest.importorskip(
    "launch_pytest", reason="no launch_pytest: source ROS 2 to run the launch tests"
)

from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from aif_ros.nodes.topics import LOOP_STATE
from aif_ros.storage.share import share_directory
from launch import LaunchDescription

CHOICES = {"scene": "planes", "width": "160", "agent": "sweep"}
FILE = share_directory() / "launch" / "pipeline.launch.py"


@launch_pytest.fixture
def pipeline(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    paths = [str(FILE.parents[1]), os.environ.get("PYTHONPATH", "")]
    return LaunchDescription(
        [
            SetEnvironmentVariable("PYTHONPATH", os.pathsep.join(filter(None, paths))),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(FILE)),
                launch_arguments=[*CHOICES.items(), ("namespace", "launch_pytest")],
            ),
        ]
    )


@pytest.mark.launch(fixture=pipeline)
def test_the_loop_stops_by_itself():
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("tester", context=context, namespace="launch_pytest")
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    states = []

    def take(message):
        states.append(LOOP_STATE.decode(message).state)

    node.create_subscription(
        LOOP_STATE.message_type, LOOP_STATE.name, take, LOOP_STATE.publisher_qos
    )
    deadline = time.monotonic() + 60.0
    while "stopped" not in states and time.monotonic() < deadline:
        executor.spin_once(0.1)
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown(context=context)
    assert states[-1] == "stopped"
    assert "running" in states
