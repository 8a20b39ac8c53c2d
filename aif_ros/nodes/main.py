"""The `main` of every node's executable."""

import sys

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from aif_ros.nodes.log_directory import ensure_log_directory
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.transport import use_shared_memory
from aif_ros.process.interrupts import note_interrupts

# Seconds until a process notices an interrupt, at most.
_INTERRUPT_WAIT = 0.1


def run(node_type: type[PipelineNode]) -> int:
    """Make a node and spin it until Ctrl-C or SIGTERM.

    Returns:
        Exit code: 0 after Ctrl-C and SIGTERM; 1 where a parameter is not allowed, or where what
        should have been saved at the end was not.
    """
    interrupts = note_interrupts()
    if interrupts:
        return 0
    ensure_log_directory()
    use_shared_memory()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    node: PipelineNode | None = None
    try:
        node = node_type()
        executor.add_node(node)
        while not interrupts:
            executor.spin_once(_INTERRUPT_WAIT)
    except ParameterException as error:
        print(f"{node_type.NAME}: {error}", file=sys.stderr)
        return 1
    finally:
        # In this order: an executor that outlives its context complains.
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.shutdown()
    return int(node.failed)
