"""The launch file, really run by the launch system where there is one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="no launch_ros: source ROS 2 to run the launch file")

from launch.actions import DeclareLaunchArgument
from launch.launch_description_sources import get_launch_description_from_python_launch_file

from aif_ros.bringup.graph import pipeline_graph
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.bringup.share import share_directory
from aif_ros.settings import declaration as declarations
from aif_ros.settings.pipeline import PipelineSettings
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


def launch(*words, interrupt_at=None):
    """Exit code and output of a launch; Ctrl-C once some words are printed."""
    command = [sys.executable, "-u", "-c", LAUNCH, str(FILE), *words]
    told = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            told.append(line)
            if interrupt_at is not None and interrupt_at in line:
                # A terminal sends it to all of them.
                os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    return process.returncode, "".join(told)


SMALL = ("scene:=planes", "width:=160", "agent:=sweep")


def test_every_argument_is_declared_and_described():
    description = get_launch_description_from_python_launch_file(str(FILE))
    declared = {
        entity.name: entity
        for entity in description.entities
        if isinstance(entity, DeclareLaunchArgument)
    }
    assert {each.name for each in declarations.declared(PipelineSettings)} <= set(declared)
    assert {"rviz", "rqt", "one_process"} <= set(declared)
    for argument in declared.values():
        assert len(argument.description) > 10
        assert argument.default_value is not None
        defaults = [each.perform(LaunchContext()) for each in argument.default_value]
        assert argument.choices is None or "".join(defaults) in argument.choices


def test_brings_the_nodes_up_in_order_and_down_without_a_word(tmp_path):
    path = tmp_path / "fused.png"
    code, output = launch(
        *SMALL, "namespace:=one", f"save_path:={path}", interrupt_at="stopped after"
    )
    assert code == 0, output
    active = [
        line.split("]: ")[1].split()[0] for line in output.splitlines() if "is active" in line
    ]
    assert active == list(NODES)
    assert output.count("process has finished cleanly") == len(NODES), output
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
    ("word", "reason"),
    [
        ("scene:=/no/such/scene", "there is no scene '/no/such/scene'"),
        ("calibration:=/no/such/lens.yaml", "cannot read lens calibration /no/such/lens.yaml"),
        ("params_file:=/no/such/file.yaml", "there is no parameter file /no/such/file.yaml"),
    ],
)
def test_what_cannot_work_ends_with_the_reason(word, reason):
    _, output = launch("namespace:=three", word)
    assert reason in output
    # The launch system itself may be surprised in the middle of a service call; the nodes are not.
    assert "] Traceback" not in output
    assert "process has died" not in output


def test_a_node_that_dies_ends_it(tmp_path):
    wrong = Path(tmp_path / "wrong.yaml")
    wrong.write_text("/**:\n  ros__parameters:\n    state_rate: -1.0\n")
    _, output = launch("namespace:=four", f"params_file:={wrong}")
    assert "lens has ended" in output
    assert "state_rate" in output


def test_names_in_use_are_told():
    settings = PipelineSettings(scene="planes", width=160, namespace="five")
    with run_in_one_process(pipeline_graph(settings)):
        _, output = launch("namespace:=five")
    assert "/five/autofocus, " in output
    assert "run already in ROS domain" in output
