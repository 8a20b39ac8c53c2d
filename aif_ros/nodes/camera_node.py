"""Node of a real camera, a recording, or a recorded focal stack replayed as a camera."""

import sys

from aif_ros.devices.backends import open_camera
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.nodes.capturing_node import LENS_TIMEOUT, CapturingNode
from aif_ros.nodes.main import run
from aif_ros.settings.nodes import CameraSettings
from aif_ros.simulation.simulated_camera import SimulatedCamera


class CameraNode(CapturingNode):
    """Publishes the images of a camera."""

    NAME = "camera"
    SETTINGS = CameraSettings

    def open_camera(self, clock: Clock) -> Camera:
        """Open the source."""
        source = self.value("camera_source")
        self.diagnostics.hardware_id = source
        if self.value("camera_backend") == "device":
            return open_camera(source, clock)
        return SimulatedCamera(
            FocalStack(source),
            clock,
            exposure_time=self.value("exposure_time"),
            frame_rate=self.value("frame_rate"),
            lens_timeout=LENS_TIMEOUT,
            skip_moving=True,
        )


def main() -> int:
    """Run the node."""
    return run(CameraNode)


if __name__ == "__main__":
    sys.exit(main())
