"""Starts the all-in-focus camera: every node a process, brought up in order by its lifecycle.

The graph is described in `aif_ros.bringup.graph`. A further process, `aif_ros.bringup.supervisor`,
brings the nodes up. Nodes that end later are started again by launch, and brought up by the
supervisor, which also kills nodes that hang.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from math import pi
from socket import create_server
from typing import Any, TypeVar

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessIO
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessIO
from launch_ros.actions import Node

from aif_ros.bringup.graph import BringupError, Graph, NodeSpec, check_processes, pipeline_graph
from aif_ros.bringup.layouts import rqt_layout, rviz_layout
from aif_ros.bringup.observer import check_names_are_free, observe
from aif_ros.bringup.parameter_files import parameter
from aif_ros.bringup.processes import node_environment
from aif_ros.process.parent import parent_environment
from aif_ros.settings.declaration import Setting, declared, from_text
from aif_ros.settings.launch import PAGE_PORT, LaunchSettings
from aif_ros.settings.pipeline import PipelineSettings, launch_arguments
from aif_ros.types.extras import install
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

T = TypeVar("T", PipelineSettings, LaunchSettings)

VIEWERS = {"rviz": ("rviz2", "-d"), "rqt": ("rqt_gui", "--perspective-file")}
"""Package, which is also the name of the executable, and the option of the layout."""

RQT_DELAY = 5.0
"""Seconds until rqt is started: it shows compressed topics only if they are there already."""

END_TIMEOUT = "30"
"""Seconds after Ctrl-C that a process of nodes may take before launch sends SIGTERM: a large fused
image is written then, and a busy computer is slow. The default of launch is 5."""

RESPAWN_DELAY = 0.2
"""Seconds until a node that has ended is started again: launch may be about to shut down."""


class StartError(Exception):
    """Ends the launch with exit code 1; the message says why."""


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the graph follows once their values are known."""
    return LaunchDescription(
        [
            *map(argument, (*declared(PipelineSettings), *declared(LaunchSettings))),
            OpaqueFunction(function=start),
        ]
    )


def argument(setting: Setting) -> DeclareLaunchArgument:
    """Return the launch argument for a setting."""
    text = setting.description
    choices = None
    if setting.limits is not None:
        text += f" {setting.limits}."
    if setting.choices is not None and not setting.choices.are_all:
        text += f" One of {setting.choices}."
    elif setting.choices is not None:
        choices = [*setting.choices.names, *([""] if setting.choices.or_empty else [])]
    default = "" if setting.default is None else str(setting.default)
    if setting.kind is bool:
        choices, default = ["true", "false"], default.lower()
    return DeclareLaunchArgument(
        setting.name, default_value=default, description=text, choices=choices
    )


def start(context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
    """Return what starts the graph that the arguments describe.

    Raises:
        StartError: the arguments contradict each other, something that they name is missing, or
            nodes of the same names run already. Nothing has been started then.
    """
    try:
        settings, switches = chosen(PipelineSettings, context), chosen(LaunchSettings, context)
        graph = pipeline_graph(settings)
        viewers = [
            *(viewer(name, graph) for name in VIEWERS if getattr(switches, name)),
            *([live_page(graph)] if switches.view else []),
            *camera_frame(graph, wanted=switches.publish_tf),
        ]
        if switches.one_process:
            return [one_process(settings), *viewers]
        check_processes(graph)
        with observe(graph) as running:
            check_names_are_free(running)
    except (BringupError, ValueError, OSError) as error:
        raise StartError(f"cannot start: {error}") from None
    brought_up: list[bool] = []
    nodes = [node(spec, graph, brought_up) for spec in graph.nodes]
    return [*nodes, *supervisor(graph, brought_up), *viewers]


def chosen(settings: type[T], context: LaunchContext) -> T:
    """Return settings as the launch arguments of their names say."""
    values = context.launch_configurations
    return from_text(settings, {each.name: str(values[each.name]) for each in declared(settings)})


def node(spec: NodeSpec, graph: Graph, brought_up: list[bool]) -> Node:
    """Return the process of a node.

    When it ends, it is started again; but all others are ended, too, where that happens before all
    have been brought up.
    """
    end_others = ended(spec.name)

    def handle(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
        return None if brought_up else end_others(event, context)

    return Node(
        **program(spec),
        name=spec.name,
        namespace=graph.namespace,
        parameters=[*map(str, graph.params_files), dict(spec.parameters)],
        additional_env=dict(node_environment(graph, spec)),
        output="screen",
        respawn=True,
        respawn_delay=RESPAWN_DELAY,
        sigterm_timeout=END_TIMEOUT,
        on_exit=handle,
    )


def program(spec: NodeSpec) -> dict[str, Any]:
    """Return the arguments of a node action that say what to run: installed, or from a checkout."""
    try:
        get_package_prefix("aif_ros")
    except (PackageNotFoundError, OSError):  # not installed, or no ROS environment at all
        return {
            "executable": sys.executable,
            "arguments": ["-m", "aif_ros.nodes.start", spec.executable],
        }
    return {"package": "aif_ros", "executable": spec.executable}


def supervisor(graph: Graph, brought_up: list[bool]) -> Sequence[LaunchDescriptionEntity]:
    """Return the process that brings the nodes up and supervises them, and what watches it.

    Args:
        graph: the nodes.
        brought_up: gets an element when all nodes are active.
    """

    def check(event: ProcessExited, context: LaunchContext) -> None:
        if event.returncode and not context.is_shutdown:
            raise StartError("a node could not be brought up: see its message above")

    def read(event: ProcessIO) -> None:
        if b"are active" in event.text and not brought_up:
            brought_up.append(True)

    process = ExecuteProcess(
        cmd=[
            *(sys.executable, "-m", "aif_ros.bringup.start", "supervisor", graph.namespace),
            *(spec.name for spec in graph.nodes),
        ],
        name="supervisor",
        additional_env=parent_environment(),
        output="screen",
        on_exit=check,
    )
    return RegisterEventHandler(OnProcessIO(target_action=process, on_stdout=read)), process


def one_process(settings: PipelineSettings) -> ExecuteProcess:
    """Return what runs the graph in a single process, which brings it up itself."""
    return ExecuteProcess(
        cmd=[
            *(sys.executable, "-m", "aif_ros.bringup.start", "one_process"),
            *launch_arguments(settings),
        ],
        name="pipeline",
        additional_env=parent_environment(),
        output="screen",
        sigterm_timeout=END_TIMEOUT,
        on_exit=ended("the pipeline"),
    )


def viewer(name: str, graph: Graph) -> Node | TimerAction:
    """Return RViz or rqt with the package's layout.

    Raises:
        StartError: it is not installed.
    """
    package, option = VIEWERS[name]
    try:
        get_package_prefix(package)
    except (PackageNotFoundError, OSError):
        raise StartError(
            f"cannot start: {name}:=true needs the package {package}, which is not installed"
        ) from None
    layout = rqt_layout(graph) if name == "rqt" else rviz_layout()
    frame = image_frame(graph) if name == "rviz" else None
    node = Node(
        package=package,
        executable=package,
        namespace=graph.namespace,
        arguments=[option, str(layout), *([] if frame is None else ["-f", frame])],
    )
    return TimerAction(period=RQT_DELAY, actions=[node]) if name == "rqt" else node


def image_frame(graph: Graph) -> str | None:
    """Return the frame of the images; None: the driver of others says it."""
    cameras = [spec for spec in graph.nodes if spec.name == "camera"]
    return str(parameter(graph, cameras[0], "frame_id")) if cameras else None


def camera_frame(graph: Graph, *, wanted: bool) -> Sequence[LaunchDescriptionEntity]:
    """Return what publishes the static transform to the frame of the images, for RViz and others.

    Nothing where it is not wanted, where the camera's own driver publishes it, and where tf2_ros is
    not installed.
    """
    frame = image_frame(graph)
    if not wanted or frame is None:
        return []
    try:
        get_package_prefix("tf2_ros")
    except (PackageNotFoundError, OSError):
        return []
    # The optical frame (z forward, x right, y down) in a body frame (x forward, y left, z up).
    rotation = ("--roll", str(-pi / 2), "--pitch", "0", "--yaw", str(-pi / 2))
    return [
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            name="camera_frame",
            namespace=graph.namespace,
            arguments=[*rotation, "--frame-id", "camera_link", "--child-frame-id", frame],
        )
    ]


def live_page(graph: Graph) -> ExecuteProcess:
    """Return the server of the live page.

    Raises:
        StartError: what it needs is not installed.
    """
    if not all(map(find_spec, ("starlette", "uvicorn", "websockets"))):
        raise StartError(f"cannot start: view:=true needs a web server: {install('view')}")
    return ExecuteProcess(
        cmd=[
            *(sys.executable, "-m", "aif_ros.process.parent"),
            *(sys.executable, "-m", "aif_ros", "view", "--namespace", graph.namespace),
            *("--port", str(page_port())),
        ],
        name="view",
        additional_env=parent_environment(),
        output="screen",
    )


def page_port() -> int:
    """Return the port of the live page; 0, for any free one, where a page is served already."""
    with suppress(OSError), create_server(("127.0.0.1", PAGE_PORT)):
        return PAGE_PORT
    return 0


def ended(name: str) -> Any:
    """Return the handler of the end of a process: all others are ended, too."""

    def handle(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
        if context.is_shutdown:
            return None
        if event.returncode:
            raise StartError(f"{name} has ended with code {event.returncode}")
        return EmitEvent(event=Shutdown(reason=f"{name} has ended"))

    return handle
