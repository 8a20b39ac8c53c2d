"""A node of its own that works in the background of a program."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown

from aif_ros.nodes.log_directory import ensure_log_directory
from aif_ros.nodes.transport import use_shared_memory

T = TypeVar("T")

# Seconds until the thread notices that it has to end, where nothing wakes it.
_WAIT = 0.5


@contextmanager
def background_node(
    name: str, namespace: str, attach: Callable[[Node], T], *, use_global_arguments: bool = True
) -> Iterator[T]:
    """Spin a node in a thread until the block is left; signals stay with the program.

    Args:
        name: of the node.
        namespace: of the node; empty: none.
        attach: makes what uses the node, before it spins; the block gets the result.
        use_global_arguments: whether ROS arguments of the program apply to it.
    """
    context = Context()
    ensure_log_directory()
    use_shared_memory()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node(
        name,
        namespace=namespace or "/",
        context=context,
        use_global_arguments=use_global_arguments,
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    attached = attach(node)

    ended = threading.Event()

    def spin() -> None:
        # A context that is shut down while an executor waits can make rclpy raise.
        while not ended.is_set():
            executor.spin_once(_WAIT)

    thread = threading.Thread(target=spin, name=name)
    thread.start()
    try:
        yield attached
    finally:
        ended.set()
        executor.wake()
        thread.join()
        executor.shutdown()
        node.destroy_node()
        try_shutdown(context=context)
