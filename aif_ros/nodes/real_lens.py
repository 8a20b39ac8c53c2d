"""Opens a real lens for a node."""

from collections.abc import Sequence

from aif_ros.devices.backends import open_motor_lens
from aif_ros.devices.calibrated_lens import open_calibrated_lens
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import FocusLens
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.nodes.parameter_lens import open_parameter_lens
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.optics.lens_model import LensModel


def open_real_lens(
    uri: str, node: PipelineNode, clock: Clock, lens_model: LensModel | None
) -> FocusLens:
    """Open a lens and log its limits.

    Args:
        uri: BACKEND:ADDRESS; the backend `ros_parameter` is a parameter of another node.
        node: opens it.
        clock: of the node.
        lens_model: calibration of the lens; None: without one.

    Raises:
        ValueError: the URI is wrong.
        DeviceError: the lens cannot be opened.
    """

    def open_motor(uri: str, clock: Clock, lens_model: LensModel | None) -> MotorLens:
        if uri.startswith("ros_parameter:"):
            return open_parameter_lens(uri, node, lens_model)
        return open_motor_lens(uri, clock, lens_model)

    def log(lines: Sequence[str]) -> None:
        limits, *doubts = lines
        node.get_logger().info(limits)
        for doubt in doubts:
            node.get_logger().warning(doubt)

    return open_calibrated_lens(uri, clock, lens_model, log, opener=open_motor)
