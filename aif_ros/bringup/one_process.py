"""Runs the whole graph in this process; frames are passed by reference (intra-process transport).

As a program, for the launch file: ``python -m aif_ros.bringup.start one_process NAME:=VALUE...``
runs the graph with these settings until it is interrupted.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn

from aif_ros.bringup.graph import BringupError, Graph, pipeline_graph
from aif_ros.bringup.observer import (
    RunningGraph,
    check_names,
    check_names_are_free,
    observe,
)
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.process.interrupts import uninterrupted
from aif_ros.settings.declaration import SettingError, from_text
from aif_ros.settings.pipeline import PipelineSettings


@contextmanager
def run_in_one_process(graph: Graph) -> Iterator[RunningGraph]:
    """Bring the graph up; it is stopped, in order, when the block is left.

    Raises:
        BringupError: a node cannot be configured or activated (it has logged why), or nodes of
            the same names run already.
    """
    exchange = Exchange()
    nodes: list[PipelineNode] = []
    with observe(graph) as running:
        running.exchange = exchange
        check_names_are_free(running)
        try:
            for spec in graph.nodes:
                try:
                    with uninterrupted():
                        node = spec.node_type(
                            exchange=exchange,
                            context=running.node.context,
                            cli_args=graph.ros_arguments(spec),
                            use_global_arguments=False,
                        )
                        nodes.append(node)
                        running.executor.add_node(node)
                except ParameterException as error:
                    raise BringupError(f"{spec.name}: {error}") from error
            for node in nodes:
                with uninterrupted():
                    _expect(node.trigger_configure(), node, "configured")
            check_names(running, own=1)
            for node in nodes:
                with uninterrupted():
                    _expect(node.trigger_activate(), node, "activated")
            yield running
        finally:
            with uninterrupted():
                for node in nodes:
                    # Workers call nodes of this process, which must not be destroyed meanwhile.
                    node.workers.stop()
                for node in reversed(nodes):
                    running.executor.remove_node(node)
                    node.destroy_node()


def _expect(result: TransitionCallbackReturn, node: PipelineNode, what: str) -> None:
    if result != TransitionCallbackReturn.SUCCESS:
        raise BringupError(f"{node.get_name()} could not be {what}: see its message above")


def main(arguments: Sequence[str]) -> int:
    """Run the graph until it is interrupted.

    Args:
        arguments: settings as ``NAME:=VALUE``, see `PipelineSettings`.

    Returns:
        The exit code: 1 where the graph cannot be brought up.

    Raises:
        KeyboardInterrupt: within `raising_interrupts`.
    """
    try:
        values = dict(argument.split(":=", 1) for argument in arguments)
        graph = pipeline_graph(from_text(PipelineSettings, values))
        with run_in_one_process(graph) as running:
            print("all nodes are active", flush=True)
            running.spin_until(lambda: False)
    except (BringupError, SettingError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    return 0
