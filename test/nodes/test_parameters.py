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
from patience import PATIENCE
from rclpy.exceptions import ParameterException

import aif_ros
from aif_ros.nodes.lens_node import LensNode
from aif_ros.settings.declaration import declared
from aif_ros.settings.presets import DEFAULT_PRESET
from aif_ros.storage.share import share_directory


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
def test_every_parameter_that_is_read_is_declared(executable):
    # That every declared one has an effect is tested in test_parameter_effects.py.
    names = names_read(sys.modules[node_type(executable).__module__], set())
    everywhere = {
        setting.name for each in EXECUTABLES for setting in declared(node_type(each).SETTINGS)
    }
    # rclpy declares the last one itself.
    assert names <= everywhere | {"use_sim_time"}


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
        timeout=PATIENCE,
    )
    assert result.returncode == 1
    assert "lens_backend must be one of simulated, stack, moonlite, optotune" in result.stderr
    assert "Traceback" not in result.stderr
