"""Opens real lenses for nodes."""

from collections.abc import Sequence

from rclpy.node import Node

from aif_ros.devices.backends import DeviceUri, open_motor_lens
from aif_ros.devices.calibrated_lens import open_calibrated_lens
from aif_ros.devices.camera_drivers import PARAMETER_LENS, ParameterLensSettings
from aif_ros.devices.clock import Clock, SystemClock
from aif_ros.devices.device import FocusLens
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.nodes.parameter_lens import ParameterLens
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.optics.lens_model import LensModel


def open_parameter_lens(uri: str, node: Node, lens_model: LensModel | None) -> ParameterLens:
    """Open the lens that a URI such as ``ros_parameter:/camera?preset=camera_ros`` names.

    Args:
        uri: node and settings.
        node: whose context and namespace are used.
        lens_model: calibration; its limits are never left.

    Raises:
        ValueError: the URI is wrong.
        DeviceError: the lens cannot be opened.
    """
    named = DeviceUri.parse(uri, {"ros_parameter": PARAMETER_LENS})
    return ParameterLens(
        named.address,
        SystemClock(),
        named.read(ParameterLensSettings),
        node,
        limits=lens_model.limits if lens_model is not None else None,
    )


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
