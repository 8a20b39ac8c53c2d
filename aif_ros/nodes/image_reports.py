"""What other nodes find in the images, in the state of the loop."""

from collections.abc import Callable

from aif_ros.nodes.loop_node import LoopNode
from aif_ros.nodes.loop_status import LoopStatus
from aif_ros.nodes.topics import IMAGE_DOUBT, IMAGE_FAULT, LEFT_OUT
from aif_ros.pipeline.left_out import LeftOut


def subscribe_image_reports(
    node: LoopNode, status: LoopStatus, target: Callable[[], float | None]
) -> None:
    """Pass the reports on to the status of the loop until the node is deactivated.

    Args:
        node: the focus controller.
        status: of its loop.
        target: returns the last commanded lens position, metres; None: there was none.
    """

    def take_fault(fault: str) -> None:
        """Note that the images do not change, which makes the end of the loop a fault."""
        with node.lock:
            status.take_image_fault(fault, target())

    def take_doubt(doubt: str) -> None:
        """Note that the images leave open whether the lens moves."""
        with node.lock:
            status.take_image_doubt(doubt)

    def take_left_out(left_out: LeftOut) -> None:
        """Note the frames that fusion leaves out."""
        with node.lock:
            status.take_left_out(left_out)

    node.subscribe(IMAGE_FAULT, take_fault)
    node.subscribe(IMAGE_DOUBT, take_doubt)
    node.subscribe(LEFT_OUT, take_left_out)
