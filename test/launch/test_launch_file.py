"""The launch file, really run by the launch system where there is one."""

import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("launch_ros", reason="no launch_ros: source ROS 2 to run the launch file")

from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import DeclareLaunchArgument
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from aif_ros.bringup.graph import pipeline_graph
from aif_ros.bringup.observer import observe
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.settings import declaration as declarations
from aif_ros.settings.launch import LaunchSettings
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.storage.share import share_directory
from launch import LaunchContext

FILE = share_directory() / "launch" / "pipeline.launch.py"
NODES = ("lens", "fusion", "autofocus", "camera", "focus_controller")
# What `ros2 launch FILE name:=value ...` does.
LAUNCH = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

file, *words = sys.argv[1:]
service = LaunchService()
service.include_launch_description(
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(file),
        launch_arguments=[tuple(word.split(":=", 1)) for word in words],
    )
)
sys.exit(service.run())
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(40 + os.getpid() % 60))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    paths = [str(FILE.parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def launch(*words, interrupt_at=None, number=signal.SIGINT, meanwhile=None):
    """Exit code and output of a launch.

    Once the words `interrupt_at` are printed, `meanwhile` is called and the signal is sent: Ctrl-C
    to all processes, as a terminal does; another one to the launch alone.
    """
    command = [sys.executable, "-u", "-c", LAUNCH, str(FILE), *words]
    lines = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            lines.append(line)
            if interrupt_at is not None and interrupt_at in line:
                interrupt_at = None
                if meanwhile is not None:
                    meanwhile(line)
                if number == signal.SIGINT:
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)
        process.wait(60)
    return process.returncode, "".join(lines)


SMALL = ("preset:=classical", "scene:=planes", "width:=160", "agent:=sweep")


def test_every_argument_is_declared_and_described():
    description = get_launch_description_from_python_launch_file(str(FILE))
    declared = {
        entity.name: entity
        for entity in description.entities
        if isinstance(entity, DeclareLaunchArgument)
    }
    settings = [
        each for kind in (PipelineSettings, LaunchSettings) for each in declarations.declared(kind)
    ]
    assert [each.name for each in settings] == list(declared)
    assert {"rviz", "rqt", "view", "publish_tf", "one_process"} <= set(declared)
    for argument in declared.values():
        assert len(argument.description) > 10
        assert argument.default_value is not None
        defaults = [each.perform(LaunchContext()) for each in argument.default_value]
        assert argument.choices is None or "".join(defaults) in argument.choices


def test_brings_the_nodes_up_and_down_without_a_word(tmp_path):
    path = tmp_path / "fused.png"
    code, output = launch(
        *SMALL, "namespace:=one", f"save_path:={path}", interrupt_at="stopped after"
    )
    assert code == 0, output
    assert f"{', '.join(NODES)} are active" in output
    assert output.count("process has finished cleanly") == len(NODES) + 1, output
    assert "Traceback" not in output
    assert "has ended" not in output
    assert path.exists()


def test_in_one_process(tmp_path):
    path = tmp_path / "fused.png"
    code, output = launch(
        *SMALL,
        "namespace:=two",
        "one_process:=true",
        f"save_path:={path}",
        interrupt_at="stopped after",
    )
    assert code == 0, output
    assert "Traceback" not in output
    assert path.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["scene:=/no/such/scene"], "there is no scene '/no/such/scene'"),
        (["calibration:=/no/such/lens.yaml"], "cannot read lens calibration /no/such/lens.yaml"),
        (["params_file:=/no/such/file.yaml"], "there is no parameter file /no/such/file.yaml"),
        (["width:=abc"], "width must be an integer; got 'abc'"),
        (["fusion:=magic"], "magic"),
        (["camera:=device"], "camera=device needs an explicit lens"),
        (["namespace:=1st"], "'1st' is not a namespace"),
        (["rviz:=true"], "rviz:=true needs the package rviz2, which is not installed"),
        (["rqt:=true"], "rqt:=true needs the package rqt_gui, which is not installed"),
    ],
)
def test_what_cannot_work_ends_with_the_reason_and_a_code(words, reason):
    code, output = launch("namespace:=three", *words)
    assert code != 0
    assert reason in output
    assert "Traceback" not in output
    if not words[0].startswith(("scene", "calibration")):  # a node finds these missing
        assert "process started" not in output


def test_the_live_page():
    # publish_tf:=false: what a robot does that has the frame in its own description.
    code, output = launch(
        *SMALL,
        "namespace:=page",
        "view:=true",
        "publish_tf:=false",
        interrupt_at="http://localhost:",
    )
    assert code == 0, output
    assert "Traceback" not in output


def test_a_second_live_page_takes_another_port(monkeypatch):
    launch_file = runpy.run_path(str(FILE))
    page_port = launch_file["page_port"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setitem(page_port.__globals__, "PAGE_PORT", taken)
        assert page_port() == 0
    assert page_port() == taken


def test_a_live_page_needs_all_of_its_packages(monkeypatch):
    launch_file = runpy.run_path(str(FILE))
    for missing in ("starlette", "uvicorn", "websockets"):
        present = {"starlette", "uvicorn", "websockets"} - {missing}
        monkeypatch.setitem(
            launch_file["live_page"].__globals__,
            "find_spec",
            lambda name, known=present: name in known or None,
        )
        with pytest.raises(
            Exception, match=r"view:=true needs a web server: pip install '\.\[view\]'"
        ):
            launch_file["live_page"](pipeline_graph(PipelineSettings()))


def arguments(node):
    """The command-line arguments of a node action, before those of ROS."""
    texts = [[getattr(part, "text", "") for part in parts] for parts in node.cmd[1:]]
    words = ["".join(parts) for parts in texts]
    return words[: words.index("--ros-args")]


def test_the_camera_frame_is_published_once(monkeypatch, tmp_path):
    launch_file = runpy.run_path(str(FILE))
    camera_frame = launch_file["camera_frame"]
    monkeypatch.setitem(camera_frame.__globals__, "get_package_prefix", lambda package: "/opt/ros")
    (node,) = camera_frame(pipeline_graph(PipelineSettings()), wanted=True)
    assert node.node_package == "tf2_ros"
    assert arguments(node)[-1] == "camera_optical_frame"
    assert camera_frame(pipeline_graph(PipelineSettings()), wanted=False) == []
    external = pipeline_graph(PipelineSettings(camera="external", lens="external"))
    assert camera_frame(external, wanted=True) == []
    file = tmp_path / "parameters.yaml"
    file.write_text("/**/camera:\n  ros__parameters:\n    frame_id: left_eye\n")
    (node,) = camera_frame(pipeline_graph(PipelineSettings(params_file=str(file))), wanted=True)
    assert arguments(node)[-1] == "left_eye"


def test_without_tf2_there_is_no_camera_frame():
    camera_frame = runpy.run_path(str(FILE))["camera_frame"]
    assert camera_frame(pipeline_graph(PipelineSettings()), wanted=True) == []


def test_a_node_that_dies_ends_it(tmp_path):
    wrong = Path(tmp_path / "wrong.yaml")
    wrong.write_text("/**:\n  ros__parameters:\n    state_rate: -1.0\n")
    code, output = launch("namespace:=four", f"params_file:={wrong}")
    assert code != 0
    assert "lens has ended" in output
    assert "state_rate" in output


def test_a_node_that_is_killed_is_started_again():
    killed = []

    def kill_and_wait(_):
        graph = pipeline_graph(PipelineSettings(scene="planes", width=160, namespace="eight"))
        with observe(graph) as running:
            heard = []
            running.node.create_subscription(
                DiagnosticArray, "/diagnostics", lambda message: heard.extend(message.status), 10
            )
            (victim,) = (
                process
                for process in psutil.process_iter(["cmdline"])
                if {"__node:=fusion", "__ns:=/eight"} <= set(process.info["cmdline"] or ())
            )
            victim.kill()
            killed.append(victim.pid)

            def value(key):
                found = [pair.value for each in heard for pair in each.values if pair.key == key]
                return found[-1] if found else None

            running.spin_until(lambda: value("fusion restarts") == "1", 60.0)
            running.spin_until(lambda: value("fusion") == "active", 60.0)

    code, output = launch(
        *SMALL, "namespace:=eight", interrupt_at="stopped after", meanwhile=kill_and_wait
    )
    assert killed
    assert code == 0, output
    assert "node fusion is active again" in output
    assert "Traceback" not in output


def test_names_in_use_are_named():
    settings = PipelineSettings(preset="classical", scene="planes", width=160, namespace="five")
    with run_in_one_process(pipeline_graph(settings)):
        code, output = launch("namespace:=five")
    assert code != 0
    assert "/five/autofocus, " in output
    assert "run already in ROS domain" in output


def test_a_user_can_deactivate_and_activate_a_node():
    settings = PipelineSettings(scene="planes", width=160, namespace="six")
    changed = []

    def change(_):
        with observe(pipeline_graph(settings)) as running:
            for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
                client = running.node.create_client(ChangeState, "/six/fusion/change_state")
                assert client.wait_for_service(10.0)
                request = ChangeState.Request()
                request.transition.id = transition
                answer = client.call_async(request)
                assert running.spin_until(answer.done, 30.0)
                changed.append(answer.result().success)

    code, output = launch(*SMALL, "namespace:=six", interrupt_at="are active", meanwhile=change)
    assert changed == [True, True]
    assert code == 0, output
    assert "has ended" not in output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_nodes_end_with_the_launch(number):
    _, output = launch(*SMALL, "namespace:=seven", interrupt_at="are active", number=number)
    pids = [int(pid) for pid in re.findall(r"process started with pid \[(\d+)\]", output)]
    assert len(pids) == len(NODES) + 1
    deadline = time.monotonic() + 30.0
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < deadline, "nodes go on"
        time.sleep(0.1)
