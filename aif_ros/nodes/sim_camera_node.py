"""Node of the simulated camera: looks at a scene through the simulated lens."""

import sys

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera
from aif_ros.nodes.capturing_node import CAMERA_PARAMETERS, LENS_TIMEOUT, CapturingNode
from aif_ros.nodes.parameters import CALIBRATION, EXPOSURE_TIME, FRAME_RATE, Parameter
from aif_ros.nodes.pipeline_node import run
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.open_scene import SCENES, open_scene
from aif_ros.simulation.simulated_camera import SimulatedCamera


class SimCameraNode(CapturingNode):
    """Publishes what the sensor sees of a scene at the lens position of each exposure."""

    NAME = "camera"
    PARAMETERS = (
        Parameter(
            "scene",
            "",
            f"What it looks at: one of {', '.join(SCENES)}, a folder with image and depth, or a "
            "folder of RGB-D video. Empty: the motorcycle.",
        ),
        Parameter(
            "width", 0, "Width of the pictures, pixels; 0: that of the scene.", limits=(0, 16384)
        ),
        Parameter(
            "shake",
            0.0,
            "Hand shake put upon the scene, standard deviation in pixels.",
            limits=(0.0, 1000.0),
        ),
        Parameter(
            "pan", 0.0, "Pan put upon the scene, pixels per second.", limits=(-10_000.0, 10_000.0)
        ),
        Parameter(
            "crossing",
            0.0,
            "Speed of an object that crosses before the scene, pixels per second; 0: none.",
            limits=(0.0, 10_000.0),
        ),
        FRAME_RATE,
        Parameter("backlash", 0.0, "Dead travel of the motor, metres.", limits=(0.0, 0.1)),
        Parameter("seed", 0, "Seed of the sensor's noise.", limits=(0, 2**31 - 1)),
        EXPOSURE_TIME,
        CALIBRATION,
        *CAMERA_PARAMETERS,
    )

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
