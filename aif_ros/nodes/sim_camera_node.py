"""Node of the simulated camera: looks at a scene through the simulated lens."""

import sys

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera
from aif_ros.nodes.capturing_node import LENS_TIMEOUT, CapturingNode
from aif_ros.nodes.main import run
from aif_ros.settings.nodes import SimCameraSettings
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.simulated_camera import SimulatedCamera


class SimCameraNode(CapturingNode):
    """Publishes what the sensor sees of a scene at the lens position of each exposure."""

    NAME = "camera"
    SETTINGS = SimCameraSettings

    def open_camera(self, clock: Clock) -> Camera:
        """Open the scene."""
        lens_model = self.lens_model()
        scene = open_scene(self.value("scene"), lens_model, self.value("width"))
        self.diagnostics.hardware_id = f"simulated camera, {scene.name}"
        return SimulatedCamera(
            RenderedScene(scene, lens_model, seed=self.value("seed")),
            clock,
            backlash=self.value("backlash"),
            exposure_time=self.value("exposure_time"),
            frame_rate=self.value("frame_rate"),
            lens_timeout=LENS_TIMEOUT,
            # Where things move, J follows them also in pictures taken on the lens's way.
            skip_moving=not scene.moving,
        )


def main() -> int:
    """Run the node."""
    return run(SimCameraNode)


if __name__ == "__main__":
    sys.exit(main())
