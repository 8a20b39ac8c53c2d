import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from executables import EXECUTABLES, node_type
from rclpy.exceptions import ParameterException

import aif_ros
from aif_ros.bringup.share import share_directory
from aif_ros.devices.clock import SimulatedClock
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.sim_camera_node import SimCameraNode
from aif_ros.settings.declaration import declared
from aif_ros.settings.presets import DEFAULT_PRESET
from aif_ros.types.frame import LensState


def set_parameter(bench, node, name, value):
    result = node.set_parameters_atomically([rclpy.Parameter(name, value=value)])
    return result.successful, result.reason


def test_there_are_six_nodes():
    assert len(EXECUTABLES) == 6


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_every_parameter_is_described_and_bounded(bench, executable):
    node = bench.make(node_type(executable), preset=DEFAULT_PRESET)
    for parameter in declared(node.SETTINGS):
        descriptor = node.describe_parameter(parameter.name)
        assert descriptor.description.endswith(".")
        assert node.value(parameter.name) == parameter.default
        if isinstance(parameter.default, bool):
            continue
        if isinstance(parameter.default, float):
            assert descriptor.floating_point_range, parameter.name
            (bounds,) = descriptor.floating_point_range
            assert bounds.from_value <= parameter.default <= bounds.to_value
        elif isinstance(parameter.default, int):
            assert descriptor.integer_range, parameter.name
        if parameter.choices:
            assert parameter.choices.allows(parameter.default)


def test_a_name_means_the_same_in_every_node():
    # One section of a file, or one `-p name:=value`, may be given to all of them.
    known = {}
    for executable in EXECUTABLES:
        for parameter in declared(node_type(executable).SETTINGS):
            assert known.setdefault(parameter.name, parameter) == parameter


def test_the_parameter_file_holds_every_parameter_with_its_default():
    content = yaml.safe_load((share_directory() / "config" / "pipeline.yaml").read_text())
    expected = {
        parameter.name: parameter.default
        for executable in EXECUTABLES
        for parameter in declared(node_type(executable).SETTINGS)
    }
    assert content == {"/**": {"ros__parameters": expected}}


def names_read(module, seen):
    """Names of parameters that the code of a module, and of helpers it imports, asks for."""
    if module.__name__ in seen:
        return set()
    seen.add(module.__name__)
    names = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aif_ros.nodes."):
            names |= names_read(importlib.import_module(node.module), seen)
        is_value = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "value"
        if is_value and isinstance(node.args[0], ast.Constant):
            names.add(node.args[0].value)
    return names


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_every_declared_parameter_is_read_and_every_one_read_is_declared(executable):
    kind = node_type(executable)
    names = names_read(sys.modules[kind.__module__], set())
    declared_names = {setting.name for setting in declared(kind.SETTINGS)}
    assert declared_names <= names
    everywhere = {
        setting.name for each in EXECUTABLES for setting in declared(node_type(each).SETTINGS)
    }
    # rclpy declares the last one itself.
    assert names <= everywhere | {"use_sim_time"}


def captured(bench, **parameters):
    """Frames of the simulated camera, whose lens moves back and forth, and their stamps."""
    clock = SimulatedClock(10**18)
    node = bench.make(SimCameraNode, **({"scene": "planes", "width": 64} | parameters))
    camera, frames = node.open_camera(clock), []
    for index in range(6):
        # Reports from before and after the exposure.
        position = 4e-4 + (2e-4 if index % 2 else 0.0)
        for ahead in (0, 1, 2000):
            camera.observe(LensState(clock.now() + ahead * 10**6, position, False))
        capture = camera.capture()
        frames.append((capture.stamp, capture.image))
        clock.sleep(2.0)
    bench.remove(node)
    return frames


def differ(first, second):
    return any(
        stamp != other_stamp or image.shape != other.shape or (image != other).any()
        for (stamp, image), (other_stamp, other) in zip(first, second, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scene", "moving_planes"),
        ("width", 32),
        ("shake", 3.0),
        ("pan", 5.0),
        ("crossing", 20.0),
        ("frame_rate", 7.0),
        ("backlash", 1e-4),
        ("seed", 1),
        ("exposure_time", 0.002),
    ],
)
def test_every_parameter_of_the_simulated_scene_changes_what_is_captured(bench, name, value):
    usual = captured(bench)
    assert not differ(usual, captured(bench))
    assert differ(usual, captured(bench, **{name: value}))


class TestChanges:
    @pytest.fixture
    def node(self, bench):
        from aif_ros.nodes.focus_controller_node import FocusControllerNode

        return bench.make(FocusControllerNode)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("agent", "clever", "agent must be one of sweep,.*got 'clever'"),
            ("max_captures", 0, "range"),
            ("patience", 1e9, "range"),
            ("patience", float("nan"), "range.*nan"),
            ("patience", float("inf"), "range"),
            ("patience", "long", "type"),
            ("autostart", False, "read-only"),
        ],
    )
    def test_what_is_not_allowed_is_rejected_and_changes_nothing(
        self, bench, node, name, value, words
    ):
        before = node.value(name)
        successful, reason = set_parameter(bench, node, name, value)
        assert not successful
        assert re.search(words, reason), reason
        assert node.value(name) == before

    def test_what_is_allowed_is_taken(self, bench, node):
        assert set_parameter(bench, node, "agent", "sweep") == (True, "")
        assert node.value("agent") == "sweep"

    def test_one_bad_value_rejects_the_whole_change(self, bench, node):
        result = node.set_parameters_atomically(
            [rclpy.Parameter("agent", value="sweep"), rclpy.Parameter("patience", value=np.nan)]
        )
        assert not result.successful
        assert node.value("agent") == "rule_based"


@pytest.mark.parametrize(
    ("name", "value"),
    [("state_rate", 0.0), ("state_rate", float("nan")), ("lens_backend", "magic")],
)
def test_a_node_does_not_start_with_what_is_not_allowed(bench, name, value):
    with pytest.raises(ParameterException):
        bench.make(LensNode, **{name: value})


def test_the_executable_reports_it_without_a_traceback():
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "aif_ros.nodes.start",
            "lens_node",
            "--ros-args",
            "-p",
            "lens_backend:=magic",
        ],
        env=os.environ | {"ROS_DOMAIN_ID": "99"},
        cwd=Path(aif_ros.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "lens_backend must be one of simulated, stack, moonlite, optotune" in result.stderr
    assert "Traceback" not in result.stderr
