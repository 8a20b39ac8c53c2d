"""Observes a graph that runs, in processes of its own or in this one."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from aif_ros.bringup.graph import BringupError, Graph
from aif_ros.bringup.listening import listen
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.log_directory import ensure_log_directory
from aif_ros.nodes.loop_state import ENDED, WAITING, LoopState
from aif_ros.nodes.topics import LOOP_STATE, RECORDING_END
from aif_ros.nodes.transport import use_shared_memory
from aif_ros.process.interrupts import uninterrupted

# Seconds between two checks of the nodes.
_CHECK_PERIOD = 0.05
# Seconds until the other participants of the ROS domain are discovered.
_DISCOVERY = 1.0


@dataclass
class RunningGraph:
    """A graph that runs, and the node that observes it.

    Attributes:
        graph: its description.
        node: the observing node, in the graph's namespace.
        executor: spins `node`, and the nodes of the graph if they are in this process.
        check: supervises the nodes; raises BringupError if one cannot be kept running.
        state: state of the loop that the focus controller published last.
        recording_end: said by the camera whose recording has been played to its end; else empty.
        pids: process of each node by name, while it runs in one of its own.
        exchange: hands data over by reference where all nodes are in this process; else None.
    """

    graph: Graph
    node: Node
    executor: SingleThreadedExecutor
    check: Callable[[], None]
    state: LoopState | None = None
    recording_end: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    exchange: Exchange | None = None

    @property
    def out_of_images(self) -> bool:
        """Whether the loop waits for images of a recording that has ended."""
        waits = self.state is not None and self.state.state == WAITING
        return waits and bool(self.recording_end)

    @property
    def stopped(self) -> bool:
        """Whether the loop has ended by itself."""
        return self.state is not None and self.state.state in ENDED

    def forget(self) -> None:
        """Forget what the focus controller has published: the loop was restarted."""
        self.state = None

    def spin_until(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Spin until `condition` holds; false if it did not within `timeout` seconds.

        Raises:
            BringupError: a node has ended and could not be started again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        next_check = 0.0
        while not condition():
            if deadline is not None and time.monotonic() > deadline:
                return False
            with uninterrupted():  # rclpy loses exceptions that are raised within it
                self.executor.spin_once(_CHECK_PERIOD)
                # Not after each callback: on a busy computer they come faster than checks are done.
                if time.monotonic() >= next_check:
                    self.check()
                    next_check = time.monotonic() + _CHECK_PERIOD
        return True


@contextmanager
def observe(graph: Graph) -> Iterator[RunningGraph]:
    """Make a node that observes the graph; it works until the block is left.

    Interrupts are left to the caller: ROS must work until all nodes have been stopped.
    """
    context = Context()
    with ExitStack() as undo:
        with uninterrupted():
            ensure_log_directory()
            use_shared_memory()
            rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
            undo.callback(try_shutdown, context=context)
            node = Node(
                f"bringup_{os.getpid()}",
                namespace=graph.namespace or "/",
                context=context,
                use_global_arguments=False,
            )
            undo.callback(node.destroy_node)
            executor = SingleThreadedExecutor(context=context)
            undo.callback(executor.shutdown)
            executor.add_node(node)
            running = RunningGraph(graph, node, executor, check=lambda: None)

            def take_state(state: LoopState) -> None:
                running.state = state

            def take_end(end: str) -> None:
                running.recording_end = end

            listen(node, LOOP_STATE, take_state)
            listen(node, RECORDING_END, take_end)
        try:
            yield running
        finally:
            with uninterrupted():
                undo.close()


def check_names_are_free(running: RunningGraph) -> None:
    """Check, before the graph is started, that no other nodes have its names.

    Raises:
        BringupError: there are such nodes in this ROS domain.
    """
    running.spin_until(lambda: bool(_names_in_use(running, 0)), _DISCOVERY)
    check_names(running)


def _names_in_use(running: RunningGraph, own: int) -> list[str]:
    """Return those of the graph's names that more than `own` nodes of this domain have."""
    present = Counter(
        f"{namespace.rstrip('/')}/{name}"
        for name, namespace in running.node.get_node_names_and_namespaces()
    )
    names = (running.graph.full_name(spec) for spec in running.graph.nodes)
    return sorted(name for name in names if present[name] > own)


def check_names(running: RunningGraph, own: int = 0) -> None:
    """Check that no other nodes have the names of the graph, as far as they are discovered.

    Args:
        running: the graph.
        own: number of nodes of each name that the graph itself has by now.

    Raises:
        BringupError: there are such nodes in this ROS domain.
    """
    taken = _names_in_use(running, own)
    if taken:
        raise BringupError(
            f"{', '.join(taken)} run already in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}: "
            "stop them, choose another domain with the variable ROS_DOMAIN_ID, or a namespace"
        )
