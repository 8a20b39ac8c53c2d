"""The graph of nodes: what runs, with which parameters, in which order it is brought up.

The launch file, the many-process runner and the one-process runner all read it from here.
"""

import atexit
import importlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aif_ros.bringup.arguments import ARGUMENTS
from aif_ros.bringup.share import share_directory
from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.declaration import declared


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


def pipeline_graph(choices: Mapping[str, str]) -> Graph:
    """Return the graph for what a user chose.

    Args:
        choices: values of `ARGUMENTS` by name; what is missing or empty takes its default.

    Raises:
        BringupError: a choice does not exist, or a file that it names.
    """
    chosen = _checked(choices)
    camera, scene = chosen["camera"], chosen["scene"]
    if camera == "simulated" and scene and is_focal_stack(scene):
        camera = "stack"
    executables = {
        "lens": "lens_node",
        "fusion": "fusion_node",
        "autofocus": "autofocus_node",
        "camera": "sim_camera_node" if camera == "simulated" else "camera_node",
        "focus_controller": "focus_controller_node",
    }
    parameters: dict[str, dict[str, Any]] = {name: {} for name in executables}
    if camera == "stack":
        for node in ("camera", "lens"):
            parameters[node] |= {f"{node}_backend": "stack", f"{node}_source": scene}
        chosen["calibration"] = str(_stack_calibration(scene, chosen["calibration"]))
    elif scene:
        parameters["camera"]["scene"] = scene
    specs = {
        name: NodeSpec(name, executable, parameters[name])
        for name, executable in executables.items()
    }
    for argument in ARGUMENTS:
        for node, name in argument.targets if chosen[argument.name] else ():
            known = {each.name: each for each in declared(specs[node].node_type.SETTINGS)}
            if name in known:
                parameters[node][name] = _typed(chosen[argument.name], known[name].default, name)
            elif len(argument.targets) == 1:
                raise BringupError(
                    f"{argument.name} has no meaning with camera={camera}: leave it out"
                )
    files = [share_directory() / "config" / "pipeline.yaml"]
    if chosen["params_file"]:
        files.append(_existing(chosen["params_file"], "parameter file"))
    namespace = chosen["namespace"].strip("/")
    return Graph(tuple(specs.values()), f"/{namespace}" if namespace else "", tuple(files))


def _checked(choices: Mapping[str, str]) -> dict[str, str]:
    known = {argument.name: argument for argument in ARGUMENTS}
    for name, value in choices.items():
        if name not in known:
            raise BringupError(f"there is no argument {name}: choose from {', '.join(known)}")
        if value and known[name].choices and value not in known[name].choices:
            raise BringupError(
                f"{name} must be one of {', '.join(known[name].choices)}; got '{value}'"
            )
    return {name: choices.get(name) or argument.default for name, argument in known.items()}


def _typed(text: str, like: Any, name: str) -> Any:
    try:
        return type(like)(text)
    except ValueError:
        raise BringupError(f"{name} must be of type {type(like).__name__}, got '{text}'") from None


def _existing(path: str, what: str) -> Path:
    if not Path(path).is_file():
        raise BringupError(f"there is no {what} {path}")
    return Path(path).absolute()


def _stack_calibration(folder: str, calibration: str) -> Path:
    """Write down, for all nodes, the lens model that fits the replay of a stack."""
    calibrated = LensModel.load(_existing(calibration, "calibration")) if calibration else None
    folder_of_file = tempfile.mkdtemp(prefix="aif_ros_")
    # Whoever starts the nodes outlives them; a node that is started again reads it again.
    atexit.register(shutil.rmtree, folder_of_file, ignore_errors=True)
    path = Path(folder_of_file) / "stack_lens.yaml"
    FocalStack(folder).lens_model(calibrated).save(path)
    return path
