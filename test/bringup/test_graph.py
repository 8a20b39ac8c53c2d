import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from aif_ros.bringup.graph import BringupError, NodeSpec, check_processes, pipeline_graph
from aif_ros.nodes import topics
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.settings.declaration import SettingError, declared, from_text
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.settings.presets import DEFAULT_PRESET, PRESETS
from aif_ros.storage.share import share_directory


@pytest.fixture
def stack(tmp_path):
    for index in range(3):
        picture = np.full((48, 64, 3), 60 * index, np.uint8)
        cv2.imwrite(str(tmp_path / f"slice{index}.png"), picture)
    return tmp_path


def parameters(graph, name):
    return next(dict(node.parameters) for node in graph.nodes if node.name == name)


def test_without_choices_everything_is_as_the_parameter_file_says():
    graph = pipeline_graph(PipelineSettings())
    assert {node.name for node in graph.nodes} == {
        *("camera", "lens", "fusion", "autofocus", "focus_controller")
    }
    assert all(not node.parameters for node in graph.nodes)
    assert graph.params_files == (share_directory() / "config" / "pipeline.yaml",)


def test_every_choice_reaches_the_nodes_that_have_its_parameter():
    graph = pipeline_graph(PipelineSettings(agent="sweep", width=320, mode="dynamic"))
    assert parameters(graph, "focus_controller") == {"agent": "sweep", "mode": "dynamic"}
    assert parameters(graph, "camera") == {"width": 320}
    assert parameters(graph, "fusion") == {"mode": "dynamic"}


# Launch argument: what it is set to, and what else is set in both cases.
OTHER_CHOICES = {
    "preset": (next(name for name in PRESETS if name != DEFAULT_PRESET), {}),
    "camera": ("external", {"lens": "external"}),
    "lens": ("external", {}),
    "scene": ("planes", {}),
    "device": ("cpu", {}),
    "calibration": (str(DEFAULT_CALIBRATION), {}),
    "agent": ("sweep", {}),
    "fusion": ("pyramid", {}),
    "estimator": ("gradient_ratio", {}),
    "search": ("sweep", {}),
    "mode": ("dynamic", {}),
    "width": (320, {}),
    "bits_per_sample": (12, {}),
    "save_path": ("fused.png", {}),
    "params_file": (str(share_directory() / "config" / "demo.yaml"), {}),
    "namespace": ("left", {}),
}


@pytest.mark.parametrize("argument", [setting.name for setting in declared(PipelineSettings)])
def test_every_launch_argument_changes_the_graph(argument):
    value, others = OTHER_CHOICES[argument]
    usual = pipeline_graph(PipelineSettings(**others))
    assert pipeline_graph(PipelineSettings(**others | {argument: value})) != usual


def test_every_choice_is_a_parameter_of_a_node():
    known = {setting.name for kind in NODE_SETTINGS.values() for setting in declared(kind)}
    chosen = {setting.parameter for setting in declared(PipelineSettings)} - {None}
    assert chosen <= known


def test_node_classes_have_the_settings_of_their_executables():
    for executable, settings in NODE_SETTINGS.items():
        assert NodeSpec("any", executable).node_type.SETTINGS is settings


def test_a_focal_stack_replaces_camera_and_lens(stack):
    graph = pipeline_graph(PipelineSettings(scene=str(stack)))
    executables = {node.name: node.executable for node in graph.nodes}
    assert executables["camera"] == "camera_node"
    assert parameters(graph, "camera")["camera_source"] == str(stack)
    assert parameters(graph, "lens")["lens_backend"] == "stack"
    # It words faults of the images for slices.
    assert parameters(graph, "autofocus")["camera_backend"] == "stack"
    # All that need a lens model have the same one, made for the stack.
    files = {
        parameters(graph, name)["calibration"]
        for name in ("lens", "fusion", "autofocus", "focus_controller")
    }
    (file,) = files
    assert LensModel.load(file).name == f"focal stack {stack.name}"


def test_what_is_made_for_a_stack_is_gone_afterwards(stack):
    code = """
import sys
from aif_ros.bringup.graph import pipeline_graph
from aif_ros.settings.pipeline import PipelineSettings

graph = pipeline_graph(PipelineSettings(scene=sys.argv[1]))
print(dict(graph.nodes[-1].parameters)["calibration"])
"""
    command = [sys.executable, "-c", code, str(stack)]
    file = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert file.startswith("/proc/")
    assert not Path(file).exists()


def test_a_calibration_that_is_given_is_used_for_a_stack_too(stack, tmp_path):
    given = LensModel("mine", 1e-6, (0.0, 1e-3), 12345.0, 640)
    given.save(tmp_path / "mine.yaml")
    graph = pipeline_graph(
        PipelineSettings(scene=str(stack), calibration=str(tmp_path / "mine.yaml"))
    )
    used = LensModel.load(parameters(graph, "fusion")["calibration"])
    assert (used.name, used.blur_per_metre) == ("mine", 12345.0)
    # Whatever that lens can do, the replay moves from slice to slice.
    assert used.metres_per_step > given.metres_per_step


def test_a_calibration_that_is_not_there(stack):
    with pytest.raises(BringupError, match=r"no calibration /my/lens\.yaml"):
        pipeline_graph(PipelineSettings(scene=str(stack), calibration="/my/lens.yaml"))


def test_a_damaged_calibration_of_a_stack_is_one_clear_error(stack, tmp_path):
    (tmp_path / "lens.yaml").write_text("a: [")
    with pytest.raises(BringupError, match="is not valid YAML"):
        pipeline_graph(PipelineSettings(scene=str(stack), calibration=str(tmp_path / "lens.yaml")))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"agent": "clever"}, "agent must be one of sweep, .*; got 'clever'"),
        ({"nonsense": "1"}, "there is no argument nonsense"),
        ({"width": "wide"}, "width must be an integer; got 'wide'"),
        ({"width": "-1"}, "width must lie between 0 and 16384"),
        ({"params_file": "/no/file.yaml"}, "there is no parameter file /no/file.yaml"),
        (
            {"camera": "device", "lens": "simulated", "width": "100"},
            "width has no meaning with camera=device",
        ),
        (
            {"camera": "0", "lens": "external", "scene": "planes"},
            "scene has no meaning with camera=0",
        ),
        ({"camera_source": "1"}, "there is no argument camera_source"),
        ({"camera": "device"}, "camera=device needs an explicit lens"),
        ({"camera": "simulatd"}, "there is no camera 'simulatd': choose from simulated, stack"),
        ({"lens": "moonlight:/dev/x"}, "lens must be one of simulated, .*; got 'moonlight:/dev/x'"),
        (
            {"camera": "device", "device": "0"},
            "device must be one of auto, cpu, cuda, onnxruntime; got '0'",
        ),
        ({"camera": "external"}, "camera=external needs an explicit lens"),
        ({"camera": "stack"}, "camera=stack needs the folder"),
        ({"camera": "stack", "scene": "planes"}, "there is no folder or file planes"),
        ({"lens": "stack"}, "lens=stack is the lens of a recorded focal stack"),
        ({"camera": "0", "lens": "stack"}, "lens=stack is the lens .* not for camera=0"),
        ({"lens": "stack:/x"}, "lens=stack has no address: leave out ':/x'"),
        ({"lens": "simulated:foo"}, "lens=simulated has no address: leave out ':foo'"),
        ({"lens": "external:a"}, "lens=external has no address: leave out ':a'"),
        ({"namespace": "1left"}, "'1left' is not a namespace"),
        ({"namespace": "left-hand"}, "'left-hand' is not a namespace"),
    ],
)
def test_wrong_choices(choices, words):
    with pytest.raises((BringupError, SettingError), match=words):
        pipeline_graph(from_text(PipelineSettings, choices))


def test_arguments_for_the_nodes_keep_their_types():
    graph = pipeline_graph(PipelineSettings(camera="0", lens="external", namespace="left/"))
    camera = next(node for node in graph.nodes if node.name == "camera")
    arguments = graph.ros_arguments(camera)
    assert graph.full_name(camera) == "/left/camera"
    assert 'camera_source:="0"' in arguments
    assert "__ns:=/left" in arguments
    assert json.loads('"0"') == "0"


def test_real_devices_are_named_as_on_the_command_line():
    choices = {"lens": "moonlite:/dev/ttyUSB0?high=8000", "calibration": str(DEFAULT_CALIBRATION)}
    graph = pipeline_graph(PipelineSettings(camera="opencv:1", **choices))
    assert parameters(graph, "camera") == {"camera_source": "opencv:1"}
    assert parameters(graph, "lens")["lens_backend"] == "moonlite"
    assert parameters(graph, "lens")["lens_source"] == "/dev/ttyUSB0?high=8000"
    # The first one, or what the parameter file says.
    assert parameters(pipeline_graph(PipelineSettings(camera="device", **choices)), "camera") == {}


def test_external_drivers_are_not_started():
    graph = pipeline_graph(PipelineSettings(camera="external", lens="external"))
    assert [node.name for node in graph.nodes] == ["fusion", "autofocus", "focus_controller"]


def test_a_preset_is_a_parameter_file_that_choices_override():
    other = next(name for name in PRESETS if name != DEFAULT_PRESET)
    graph = pipeline_graph(PipelineSettings(preset=other, agent="sweep"))
    assert [file.name for file in graph.params_files] == ["pipeline.yaml", f"{other}.yaml"]
    assert parameters(graph, "focus_controller") == {"agent": "sweep"}


def test_rviz_keeps_latched_topics_and_the_frame_of_the_camera():
    layout = yaml.safe_load((share_directory() / "config" / "pipeline.rviz").read_text())
    displays = layout["Visualization Manager"]["Displays"]
    latched = {topic.name: topic.latched for topic in topics.TOPICS}
    for display in displays:
        durability = display["Topic"]["Durability Policy"]
        assert (durability == "Transient Local") == latched[display["Topic"]["Value"]]
    frame = layout["Visualization Manager"]["Global Options"]["Fixed Frame"]
    content = yaml.safe_load((share_directory() / "config" / "pipeline.yaml").read_text())
    assert frame == content["/**"]["ros__parameters"]["frame_id"]


def test_the_launch_file_is_there():
    assert Path(share_directory() / "launch" / "pipeline.launch.py").is_file()


@pytest.mark.parametrize("name", ["lossy_network", "shared_memory"])
def test_a_shipped_network_profile_is_understood(name):
    """Fast DDS prints what it does not understand, and goes on without it."""
    libraries = sorted((Path(sys.prefix) / "lib").glob("libfast*dds.so")) or sorted(
        (Path(sys.prefix) / "lib").glob("libfastrtps.so")
    )
    if not libraries:
        pytest.skip("no Fast DDS beside this Python")
    old = libraries[0].name == "libfastrtps.so"
    distribution, variable = ("jazzy", "FASTRTPS") if old else ("kilted", "FASTDDS")
    profile = share_directory() / "config" / "dds" / f"{name}_{distribution}.xml"
    environment = {
        f"{variable}_DEFAULT_PROFILES_FILE": str(profile),
        "RMW_FASTRTPS_USE_QOS_FROM_XML": "1",
        "ROS_DOMAIN_ID": str(40 + os.getpid() % 60),
    }
    words = [sys.executable, "-c", "import rclpy; rclpy.init(); rclpy.create_node('x')"]
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "XMLPARSER" not in done.stdout + done.stderr


def microscope(lens):
    return pipeline_graph(PipelineSettings(camera="micro_manager:a.cfg?exposure=0.1", lens=lens))


def test_camera_and_stage_of_one_configuration_share_a_process():
    with pytest.raises(BringupError, match="need one process: use --one-process"):
        check_processes(microscope("micro_manager:a.cfg?low=-5&high=5"))
    check_processes(microscope("micro_manager:b.cfg"))
    check_processes(microscope("moonlite:a.cfg"))
    check_processes(pipeline_graph(PipelineSettings()))
