"""A simulated camera and its lens, for a scene or a recorded focal stack."""

from typing import NamedTuple

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import FocusLens
from aif_ros.simulation.open_subject import OpenedSubject
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import open_simulated_lens

FRAME_RATE = 30.0
"""Frames per second of the camera, where none are given."""


class SimulatedDevices(NamedTuple):
    """What a loop or a search runs on.

    Attributes:
        camera: shows the subject as the lens focuses it.
        lens: moved by the motor, with its backlash compensated.
    """

    camera: SimulatedCamera
    lens: FocusLens


def simulated_devices(
    opened: OpenedSubject, clock: Clock, *, exposure_time: float, frame_rate: float = FRAME_RATE
) -> SimulatedDevices:
    """Return camera and lens in one process.

    Args:
        opened: what the camera shows, with its lens model.
        clock: time of both.
        exposure_time: of the camera, seconds.
        frame_rate: of the camera, frames per second.

    Raises:
        ValueError: a number is out of range.
    """
    motor, lens = open_simulated_lens(opened.lens_model, clock, rests=opened.rests)
    camera = SimulatedCamera(
        opened.subject,
        clock,
        motor,
        exposure_time=exposure_time,
        frame_rate=frame_rate,
        # Where things move, J follows them also in frames exposed in motion.
        skip_moving=not opened.moving,
    )
    return SimulatedDevices(camera, lens)
