"""Tries a lens whose focus is a parameter of another ROS node."""

from dataclasses import dataclass

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions

from aif_ros.devices.travel_limits import TravelLimits
from aif_ros.nodes.real_lens import open_parameter_lens
from aif_ros.types.frame import LensState


@dataclass(frozen=True)
class ProbedLens:
    """What a lens has answered.

    Attributes:
        state: where it is.
        travel: its limits and where they come from.
    """

    state: LensState
    travel: TravelLimits


def probe_parameter_lens(uri: str) -> ProbedLens:
    """Open a lens, read it and close it; it does not move.

    Args:
        uri: such as ``ros_parameter:/camera?preset=camera_ros``.

    Raises:
        ValueError: the URI is wrong.
        DeviceError: the lens cannot be opened or read.
    """
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("aif_devices", context=context)
    try:
        lens = open_parameter_lens(uri, node, None)
        try:
            return ProbedLens(lens.state(), lens.travel)
        finally:
            lens.close()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
