"""How a node reports errors: expected ones in one line, defects with a traceback."""

import sys
import time
import traceback

from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode

from aif_ros.devices.device import DeviceError
from aif_ros.nodes.diagnostics import Diagnostics

EXPECTED = (ValueError, OSError, DeviceError)
"""Errors that a wrong parameter, file or device causes."""

# Errors of ROS calls after the context has been shut down.
_ROS_GONE = (InvalidHandle, rclpy_implementation.RCLError)
# Seconds after which an error that persists is logged again.
_LOG_AGAIN = 10.0


class FaultReporter:
    """Logs errors and shows them in the diagnostics.

    Args:
        node: that logs.
        diagnostics: of the node.
    """

    def __init__(self, node: LifecycleNode, diagnostics: Diagnostics) -> None:
        self._node = node
        self._diagnostics = diagnostics
        self._logged = ("", 0.0)

    def report(self, error: Exception, what: str = "") -> None:
        """Report an error.

        Args:
            error: what was raised.
            what: put before its message.
        """
        if isinstance(error, _ROS_GONE) and not self._node.context.ok():
            return
        text = f"{what}{error}"
        if not isinstance(error, EXPECTED):
            text = f"{what}{''.join(traceback.format_exception(error))}"
        self._diagnostics.error(f"{what}{error}")
        if self._node.context.ok():
            self._node.get_logger().error(text)
        else:
            print(f"[{self._node.get_name()}] {text}", file=sys.stderr)

    def report_throttled(self, error: Exception) -> None:
        """Report an error that may persist: it is logged every 10 s, and shown all the time."""
        now = time.monotonic()
        if str(error) != self._logged[0] or now - self._logged[1] > _LOG_AGAIN:
            self._logged = str(error), now
            self.report(error)
        else:
            self._diagnostics.error(str(error))
