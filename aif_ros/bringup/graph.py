"""The graph of nodes: what runs, with which parameters, in which order it is brought up.

The launch file, the many-process runner and the one-process runner all read it from here.
"""

import importlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aif_ros.devices.chosen_devices import ChosenDevices, chosen_devices
from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.optics.lens_model import CalibrationError, LensModel
from aif_ros.settings.declaration import check, declared
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.settings.presets import DEFAULT_PRESET, PRESETS, Preset, usable_preset
from aif_ros.storage.share import share_directory

_NAMESPACE = re.compile(r"[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)

_DEVICES = ("camera_source", "lens_backend", "lens_source")


class BringupError(RuntimeError):
    """The graph cannot be brought up or has broken down; the message says what to do."""


@dataclass(frozen=True)
class NodeSpec:
    """One node of the graph.

    Attributes:
        name: of the node.
        executable: module of `aif_ros.nodes` and name of the installed executable.
        parameters: set beyond what the parameter files say.
    """

    name: str
    executable: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_heavy(self) -> bool:
        """Whether it processes every frame."""
        return self.executable in ("fusion_node", "autofocus_node")

    @property
    def node_type(self) -> type[PipelineNode]:
        """The node's class."""
        module = importlib.import_module(f"aif_ros.nodes.{self.executable}")
        name = "".join(word.capitalize() for word in self.executable.split("_"))
        node_type: type[PipelineNode] = getattr(module, name)
        return node_type


@dataclass(frozen=True)
class Graph:
    """All nodes.

    Attributes:
        nodes: in the order in which they are activated: each finds what it needs at work.
        namespace: of all of them, absolute; empty: none.
        params_files: YAML files, the later ones override the earlier.
    """

    nodes: tuple[NodeSpec, ...]
    namespace: str
    params_files: tuple[Path, ...]

    def full_name(self, node: NodeSpec) -> str:
        """Name of the node with its namespace."""
        return f"{self.namespace}/{node.name}"

    def ros_arguments(self, node: NodeSpec) -> list[str]:
        """Command-line arguments that set up the node, whatever process it runs in."""
        arguments = ["--ros-args", "-r", f"__node:={node.name}"]
        if self.namespace:
            arguments += ["-r", f"__ns:={self.namespace}"]
        for file in self.params_files:
            arguments += ["--params-file", str(file)]
        for name, value in node.parameters.items():
            # As JSON, so that the text "0" stays a text.
            arguments += ["-p", f"{name}:={json.dumps(value)}"]
        return arguments


def pipeline_graph(settings: PipelineSettings) -> Graph:
    """Return the graph for what a user chose.

    Raises:
        BringupError: choices contradict each other, or a file that they name does not exist.
        SettingError: a choice does not exist, or camera, lens and scene do not fit each other.
    """
    check(settings)
    devices = chosen_devices(settings)
    executables = _executables(devices)
    parameters: dict[str, dict[str, Any]] = {name: {} for name in executables}
    if devices.camera == "stack":
        calibration = _stack_calibration(settings.scene, settings.calibration)
        settings = replace(settings, calibration=str(calibration))
    _set_devices(parameters, devices, settings.scene)
    _set_choices(parameters, executables, settings)
    return Graph(
        tuple(NodeSpec(name, executables[name], parameters[name]) for name in executables),
        _namespace(settings.namespace),
        _parameter_files(settings),
    )


def _set_devices(parameters: dict[str, dict[str, Any]], devices: ChosenDevices, scene: str) -> None:
    """Set the parameters that name camera, lens and scene, by node."""
    if devices.camera == "stack":
        for node in ("camera", "lens"):
            if node in parameters:
                parameters[node] |= {f"{node}_backend": "stack", f"{node}_source": scene}
        parameters["autofocus"]["camera_backend"] = "stack"
    elif scene:
        parameters["camera"]["scene"] = scene
    if devices.camera_source:
        parameters["camera"]["camera_source"] = devices.camera_source
    if devices.lens not in ("", "stack", "external"):
        parameters["lens"]["lens_backend"] = devices.lens
    if devices.lens_source:
        parameters["lens"]["lens_source"] = devices.lens_source


def _set_choices(
    parameters: dict[str, dict[str, Any]],
    executables: Mapping[str, str],
    settings: PipelineSettings,
) -> None:
    """Set what the user chose as a parameter of every node that has it.

    Raises:
        BringupError: no node has it.
    """
    for setting in declared(PipelineSettings):
        value = getattr(settings, setting.name)
        if setting.parameter is None or value == setting.default:
            continue
        users = [
            node
            for node, executable in executables.items()
            if setting.parameter in {each.name for each in declared(NODE_SETTINGS[executable])}
        ]
        if not users:
            raise BringupError(
                f"{setting.name} has no meaning with camera={settings.camera}: leave it out"
            )
        for node in users:
            parameters[node][setting.parameter] = value


def _parameter_files(settings: PipelineSettings) -> tuple[Path, ...]:
    """Return the files of the package, of the preset and of the user."""
    config = share_directory() / "config"
    files = [config / "pipeline.yaml"]
    preset, warning = usable_preset(settings.preset)
    if warning is not None:
        print(warning, file=sys.stderr)
    if preset is not PRESETS[DEFAULT_PRESET]:
        files.append(config / f"{_name(preset)}.yaml")
    if settings.params_file:
        files.append(_existing(settings.params_file, "parameter file"))
    return tuple(files)


def check_processes(graph: Graph) -> None:
    """Check that the nodes can run in processes of their own.

    Raises:
        BringupError: camera and lens are of one Micro-Manager configuration. Each process would
            load it: a port opens once only, and the camera of a simulation would not see the stage.
    """
    chosen: dict[str, Any] = {}
    for node in graph.nodes:
        chosen |= {name: node.parameters[name] for name in _DEVICES if name in node.parameters}
    backend, _, camera = str(chosen.get("camera_source", "")).partition(":")
    lens = str(chosen.get("lens_source", ""))
    both = chosen.get("lens_backend") == backend == "micro_manager"
    if both and camera.partition("?")[0] == lens.partition("?")[0]:
        raise BringupError(
            "camera and lens of one Micro-Manager configuration need one process: use "
            "--one-process (one_process:=true with ros2 launch)"
        )


def _executables(devices: ChosenDevices) -> dict[str, str]:
    """Return the executables by the name of the node, in the order of activation."""
    executables = {
        "lens": "lens_node",
        "fusion": "fusion_node",
        "autofocus": "autofocus_node",
        "camera": "sim_camera_node" if devices.camera == "simulated" else "camera_node",
        "focus_controller": "focus_controller_node",
    }
    for node, choice in (("camera", devices.camera), ("lens", devices.lens)):
        if choice == "external":
            del executables[node]
    return executables


def _name(preset: Preset) -> str:
    return next(name for name, each in PRESETS.items() if each is preset)


def _namespace(text: str) -> str:
    namespace = text.strip("/")
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise BringupError(
            f"'{text}' is not a namespace: use letters, digits, underscores, and / between parts; "
            "no part begins with a digit"
        )
    return f"/{namespace}" if namespace else ""


def _existing(path: str, what: str) -> Path:
    if not Path(path).is_file():
        raise BringupError(f"there is no {what} {path}")
    return Path(path).absolute()


def _stack_calibration(folder: str, calibration: str) -> Path:
    """Write the lens model of a replayed stack to a file that exists as long as this process."""
    try:
        calibrated = LensModel.load(_existing(calibration, "calibration")) if calibration else None
        stack = FocalStack(folder)
    except (CalibrationError, DeviceError) as error:
        raise BringupError(str(error)) from error
    with os.fdopen(os.memfd_create("stack_lens.yaml"), "w", closefd=False) as file:
        file.write(stack.lens_model(calibrated).to_yaml())
        return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
