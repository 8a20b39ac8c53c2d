"""Starts the all-in-focus camera: every node a process, brought up in order by its lifecycle.

The graph itself is described in `aif_ros.bringup.graph`. The nodes are taken through their
lifecycle by event handlers: `autostart` of lifecycle nodes is not in every launch_ros of Jazzy.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handler import BaseEventHandler
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import Shutdown, matches_action
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from aif_ros.bringup.graph import BringupError, Graph, NodeSpec, pipeline_graph
from aif_ros.bringup.runner import listening
from aif_ros.bringup.share import share_directory
from aif_ros.settings.declaration import Setting, declared, from_text
from aif_ros.settings.pipeline import PipelineSettings
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

SWITCHES = {
    "one_process": "Run all nodes in one process.",
    "rviz": "Open RViz with the package's layout.",
    "rqt": "Open rqt with the package's layout.",
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the graph follows once their values are known."""
    return LaunchDescription(
        [
            *map(argument, declared(PipelineSettings)),
            *(
                DeclareLaunchArgument(
                    name, default_value="false", description=text, choices=["true", "false"]
                )
                for name, text in SWITCHES.items()
            ),
            OpaqueFunction(function=start),
        ]
    )


def argument(setting: Setting) -> DeclareLaunchArgument:
    """Return the launch argument for a setting."""
    text = (
        setting.description
        if setting.limits is None
        else (f"{setting.description} {setting.limits}.")
    )
    choices = None
    if setting.choices is not None and not setting.choices.or_weights:
        choices = [*setting.choices.names, *([""] if setting.choices.or_empty else [])]
    elif setting.choices is not None:
        text += f" One of {setting.choices}."
    return DeclareLaunchArgument(
        setting.name, default_value=str(setting.default), description=text, choices=choices
    )


def start(context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
    """Return what starts the graph that the arguments describe."""
    values = {name: str(value) for name, value in context.launch_configurations.items()}
    try:
        settings = from_text(
            PipelineSettings, {each.name: values[each.name] for each in declared(PipelineSettings)}
        )
        graph = pipeline_graph(settings)
        if values["one_process"] == "true":
            return [*one_process(settings), *windows(graph, values)]
        with listening(graph):
            pass  # raises if the names are in use
    except (BringupError, ValueError, OSError) as error:
        return stop(f"cannot start: {error}")
    return [*processes(graph), *windows(graph, values)]


def stop(reason: str) -> list[LaunchDescriptionEntity]:
    """Say why and shut everything down."""
    return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]


def processes(graph: Graph) -> list[LaunchDescriptionEntity]:
    """Return the nodes and the handlers that configure all, then activate them one by one."""
    nodes = [
        LifecycleNode(
            **program(spec),
            name=spec.name,
            namespace=graph.namespace,
            parameters=[*map(str, graph.params_files), dict(spec.parameters)],
            output="screen",
        )
        for spec in graph.nodes
    ]
    handlers: list[LaunchDescriptionEntity] = []
    unconfigured = {spec.name for spec in graph.nodes}

    def configured(name: str) -> list[LaunchDescriptionEntity] | None:
        unconfigured.discard(name)
        return None if unconfigured else [change(nodes[0], Transition.TRANSITION_ACTIVATE)]

    def ended(context: LaunchContext, name: str) -> list[LaunchDescriptionEntity] | None:
        return None if context.is_shutdown else stop(f"{name} has ended")

    for spec, node, following in zip(graph.nodes, nodes, [*nodes[1:], None], strict=True):
        activate_next = [] if following is None else [following]
        handlers += [
            on(
                OnProcessStart(
                    target_action=node,
                    on_start=[change(node, Transition.TRANSITION_CONFIGURE)],
                )
            ),
            on(
                OnStateTransition(
                    target_lifecycle_node=node,
                    start_state="configuring",
                    goal_state="inactive",
                    entities=[OpaqueFunction(function=lambda _, name=spec.name: configured(name))],
                )
            ),
            on(
                OnStateTransition(
                    target_lifecycle_node=node,
                    start_state="activating",
                    goal_state="active",
                    entities=[
                        LogInfo(msg=f"{spec.name} is active"),
                        *(change(each, Transition.TRANSITION_ACTIVATE) for each in activate_next),
                    ],
                )
            ),
            *(
                on(
                    OnStateTransition(
                        target_lifecycle_node=node,
                        start_state=before,
                        goal_state=after,
                        entities=stop(f"{spec.name} could not be {what}: see its message above"),
                    )
                )
                for what, before, after in (
                    ("configured", "configuring", "unconfigured"),
                    ("activated", "activating", "inactive"),
                    ("configured or activated", "errorprocessing", "unconfigured"),
                )
            ),
            on(
                OnProcessExit(
                    target_action=node,
                    on_exit=[
                        OpaqueFunction(
                            function=lambda context, name=spec.name: ended(context, name)
                        )
                    ],
                )
            ),
        ]
    # Handlers first: no node may change its state before they listen.
    return [*handlers, *nodes]


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


def one_process(settings: PipelineSettings) -> list[LaunchDescriptionEntity]:
    """Return what runs the graph in a single process, which brings it up itself."""
    options = [
        f"--{each.name.replace('_', '-')}={value}"
        for each in declared(PipelineSettings)
        if (value := getattr(settings, each.name)) != each.default
    ]
    process = ExecuteProcess(
        cmd=[sys.executable, "-m", "aif_ros", "run", "--one-process", "--forever", *options],
        output="screen",
        on_exit=[EmitEvent(event=Shutdown(reason="the pipeline has ended"))],
    )
    return [process]


def windows(graph: Graph, values: Mapping[str, str]) -> list[LaunchDescriptionEntity]:
    """Return RViz and rqt, if they are wanted, with the package's layouts."""
    config = share_directory() / "config"
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=graph.namespace,
        arguments=["-d", str(config / "pipeline.rviz")],
    )
    rqt = Node(
        package="rqt_gui",
        executable="rqt_gui",
        namespace=graph.namespace,
        arguments=["--perspective-file", str(config / "pipeline.perspective")],
    )
    return [node for name, node in (("rviz", rviz), ("rqt", rqt)) if values[name] == "true"]


def on(handler: BaseEventHandler) -> RegisterEventHandler:
    """Register an event handler."""
    return RegisterEventHandler(handler)


def change(node: LifecycleNode, transition: int) -> EmitEvent:
    """Return what asks a node for a transition."""
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )
