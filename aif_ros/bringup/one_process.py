"""Runs the whole graph in this process; frames are handed over by reference."""

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import TransitionCallbackReturn

from aif_ros.bringup.graph import BringupError, Graph
from aif_ros.bringup.runner import RunningGraph, check_names, listening
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.process.interrupts import uninterrupted


@contextmanager
def run_in_one_process(graph: Graph) -> Iterator[RunningGraph]:
    """Bring the graph up; it is stopped, in order, when the block is left.

    Raises:
        BringupError: a node cannot be configured or activated (it has logged why), or nodes of
            the same names run already.
    """
    exchange = Exchange()
    nodes: list[PipelineNode] = []
    with listening(graph) as running:
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
                for node in reversed(nodes):
                    running.executor.remove_node(node)
                    node.destroy_node()


def _expect(result: TransitionCallbackReturn, node: PipelineNode, what: str) -> None:
    if result != TransitionCallbackReturn.SUCCESS:
        raise BringupError(f"{node.get_name()} could not be {what}: see its message above")
