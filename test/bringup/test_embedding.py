"""The files of docs/embedding.md run as they stand."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from bench import DOMAIN, MILLISECOND, Bench, World, texture
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from patience import PATIENCE
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from aif_ros.nodes.stamps import to_time
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, FUSED_IMAGE, LENS_COMMANDS, LENS_STATE
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "embedding.md").read_text()
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", GUIDE, re.S | re.M)
FILES = dict(
    re.fullmatch(r"# file: (\S+)\n(.*)", text, re.S).groups() for kind, text in BLOCKS if kind
)
COMMANDS = [line for kind, text in BLOCKS if not kind for line in text.splitlines()]


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def folder(tmp_path):
    """The guide's files, and the calibration of the lens."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "lens.yaml").write_bytes(Path(DEFAULT_CALIBRATION).read_bytes())
    return tmp_path


def environment(**more):
    path = os.pathsep.join([str(ROOT), str(ROOT / "test" / "helpers")])
    return os.environ | {"PYTHONPATH": path, "ROS_DOMAIN_ID": str(DOMAIN)} | more


def run(folder, *words):
    result = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_file_is_used_by_a_test_below():
    assert set(FILES) == {
        "own_device.py",
        "focus.py",
        "all_in_focus.py",
        "acme_node.py",
        "controllers.yaml",
        "pipeline.yaml",
        "robot.launch.py",  # its remappings are checked
    }


def test_the_device_is_short():
    assert len(FILES["own_device.py"].split("METRES_PER_STEP = 1e-6")[1].strip().splitlines()) <= 32


def test_own_device_focuses(folder):
    assert run(folder, "focus.py").startswith("focused at 0.0")


def test_own_device_runs_the_loop(folder):
    output = run(folder, "all_in_focus.py")
    assert "stopped: True" in output
    assert output.count("frame at") >= 3
    assert cv2.imread(str(folder / "fused.png")).shape == (120, 160, 3)


def test_own_node_runs_with_the_pipeline(folder):
    node_words, pipeline_words = (
        next(line for line in COMMANDS if line.startswith(start)) for start in ("python", "aif run")
    )
    program, *arguments = shlex.split(node_words)
    node = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment())
    try:
        words = shlex.split(pipeline_words)[1:]
        output = run(folder, "-m", "aif_ros", *words, "--preset", "classical")
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(PATIENCE)
    assert program == "python"
    assert "frames in" in output
    assert cv2.imread(str(folder / "fused.png")).shape == (120, 160, 3)


def test_ros2_control_files_fit_together(folder):
    controllers = yaml.safe_load(FILES["controllers.yaml"])
    parameters = yaml.safe_load(FILES["pipeline.yaml"])
    assert controllers["lens_controller"]["ros__parameters"]["joints"] == [
        parameters["/**"]["ros__parameters"]["lens_joint"]
    ]
    remaps = dict(re.findall(r'SetRemap\("([^"]+)", "([^"]+)"\)', FILES["robot.launch.py"]))
    assert remaps[LENS_STATE.name] == "/joint_states"
    assert remaps[LENS_COMMANDS.name] == "/lens_controller/commands"
    types = {
        each["type"]
        for each in controllers["controller_manager"]["ros__parameters"].values()
        if isinstance(each, dict)
    }
    assert types == {
        "joint_state_broadcaster/JointStateBroadcaster",
        "forward_command_controller/ForwardCommandController",
    }


def broadcast(stamp, position):
    """As joint_state_broadcaster sends it."""
    message = JointState(name=["pan_joint", "focus_joint"], position=[0.7, position])
    message.velocity = [float("nan")] * 2
    message.header.stamp = to_time(stamp)
    return message


def test_fusion_alone_on_a_foreign_camera(bench):
    program, configure, activate, reset = (
        shlex.split(line) for line in COMMANDS if line.startswith("ros2")
    )
    assert program[:4] == ["ros2", "run", "aif_ros", "fusion_node"]
    pairs = [word.split(":=") for word in program if ":=" in word]
    remaps = {name: value for name, value in pairs if name != "lens_joint"}
    # In the namespace of this test: others may run the same.
    words = [
        f"{word.split(':=')[0]}:={bench.namespace}{remaps[word.split(':=')[0]]}"
        if word.split(":=")[0] in remaps
        else word
        for word in program[4:]
    ]
    joint = next(word.split(":=")[1] for word in program if word.startswith("lens_joint"))
    assert joint == "focus_joint"
    node = subprocess.Popen(
        [
            *(sys.executable, "-m", "aif_ros.nodes.start", "fusion_node", *words),
            *("-p", f"lens_joint:={joint}", "-r", f"__ns:={bench.namespace}"),
        ],
        env=environment(),
    )
    try:
        client = bench.node.create_client(ChangeState, f"{bench.namespace}/fusion/change_state")
        bench.spin_until(client.service_is_ready)
        for command, transition in (
            (configure, Transition.TRANSITION_CONFIGURE),
            (activate, Transition.TRANSITION_ACTIVATE),
        ):
            request = ChangeState.Request()
            request.transition.id = transition
            name = f"{bench.namespace}{command[3]}/change_state"
            assert bench.call(ChangeState, name, transition=request.transition).success
        _show(bench, remaps)
        assert bench.call(Trigger, f"{bench.namespace}{reset[3]}").success
    finally:
        node.send_signal(signal.SIGINT)
        assert node.wait(PATIENCE) == 0


def _show(bench, remaps):
    """A camera and a joint under the names of others; an image is fused."""
    fused = bench.listen(FUSED_IMAGE)
    now = World(bench).now
    images, states = (
        bench.node.create_publisher(
            topic.message_type, f"{bench.namespace}{remaps[topic.name]}", topic.publisher_qos
        )
        for topic in (CAMERA_IMAGE, LENS_STATE)
    )
    bench.spin_until(lambda: images.get_subscription_count() and states.get_subscription_count())

    def heard():
        nonlocal now
        for offset in (0, 10, 30):
            states.publish(broadcast(now + offset * MILLISECOND, 4e-4))
        image = StampedImage(texture(), now + 20 * MILLISECOND, "usb_cam")
        images.publish(CAMERA_IMAGE.encode(image))
        now += 40 * MILLISECOND
        bench.spin_for(0.05)
        return fused

    bench.spin_until(heard)
    np.testing.assert_array_equal(fused[0].image.shape, texture().shape)
    assert fused[0].frame_id == "usb_cam"
