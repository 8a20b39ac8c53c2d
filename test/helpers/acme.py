"""Stands in for the SDK of a camera and a focus motor in docs/embedding.md: a simulated pair."""

from aif_ros.devices.clock import SystemClock
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

_MODEL = LensModel.load(DEFAULT_CALIBRATION)


class Device:
    """Counts in motor steps of a micrometre, and in seconds."""

    width, height = 160, 120
    exposure = 0.008
    steps = 1500

    def __init__(self):
        clock = SystemClock()
        self._lens = SimulatedLens(_MODEL, clock)
        subject = open_subject("planes", width=self.width).subject
        self._camera = SimulatedCamera(
            subject, clock, self._lens, exposure_time=self.exposure, frame_rate=30.0
        )
        self.width, self.height = self._camera.size

    def grab(self):
        """Next image (H, W, 3) uint8 RGB, and the time of its exposure's middle in seconds."""
        capture = self._camera.capture()
        return capture.image, capture.stamp * 1e-9

    @property
    def position(self):
        return round(self._lens.state().position * 1e6)

    @property
    def busy(self):
        return self._lens.state().moving

    def go(self, steps):
        self._lens.move_to(min(max(steps, 0), self.steps) * 1e-6)

    def halt(self):
        self._lens.stop()

    def close(self):
        self._camera.close()
        self._lens.close()
