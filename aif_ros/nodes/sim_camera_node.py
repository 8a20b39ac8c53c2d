"""Simulated camera node: renders a scene as imaged by the simulated lens."""

import sys

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera
from aif_ros.nodes.capturing_node import LENS_TIMEOUT, CapturingNode
from aif_ros.nodes.main import run
from aif_ros.settings.nodes import SimCameraSettings
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_camera import SimulatedCamera


class SimCameraNode(CapturingNode):
    """Publishes images of a scene, rendered at the lens position of each exposure."""

    NAME = "camera"
    SETTINGS = SimCameraSettings

    def open_camera(self, clock: Clock) -> Camera:
        """Open the scene."""
        opened = open_subject(
            self.value("scene"),
            self.value("calibration"),
            self.value("width"),
            shake=self.value("shake"),
            pan=self.value("pan"),
            crossing=self.value("crossing"),
            seed=self.value("seed"),
        )
        self.diagnostics.hardware_id = f"simulated camera, {opened.name}"
        return SimulatedCamera(
            opened.subject,
            clock,
            backlash=self.value("backlash"),
            exposure_time=self.value("exposure_time"),
            frame_rate=self.value("frame_rate"),
            lens_timeout=LENS_TIMEOUT,
            # Where things move, J follows them also in frames exposed in motion.
            skip_moving=not opened.moving,
        )


def main() -> int:
    """Run the node."""
    return run(SimCameraNode)


if __name__ == "__main__":
    sys.exit(main())
