"""Camera and lens of `aif run` without ROS: simulated, or real ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aif_ros.cli import CommandError, check_width
from aif_ros.cli._exposure import real_exposure, simulated_exposure
from aif_ros.cli._live import RECONNECT_TIMEOUT, make_rig, open_calibrated
from aif_ros.cli._run_arguments import Arguments
from aif_ros.cli._scene_check import warn_of_mismatched_slices
from aif_ros.cli._stack_options import selection
from aif_ros.devices.backends import LENSES
from aif_ros.devices.chosen_devices import ChosenDevices
from aif_ros.devices.clock import SimulatedClock
from aif_ros.pipeline.rig import Rig
from aif_ros.settings.nodes import CameraSettings
from aif_ros.simulation.open_subject import open_subject
from aif_ros.simulation.simulated_devices import simulated_devices


@dataclass(frozen=True)
class Devices:
    """What the loop runs on.

    Attributes:
        rig: camera and lens; the limits are the narrower ones of lens and calibration.
        reconnect_timeout: seconds that a device whose connection is lost may take to come back.
        recorded: whether the images are the slices of a focal stack.
        pixel_size: side of a pixel in the scene, metres; None: not known.
    """

    rig: Rig
    reconnect_timeout: float = 0.0
    recorded: bool = False
    pixel_size: float | None = None


@contextmanager
def open_devices(args: Arguments, chosen: ChosenDevices) -> Iterator[Devices]:
    """Open the devices that the arguments name; real ones are closed at the end.

    Args:
        args: of the command.
        chosen: the devices that they name.

    Raises:
        CommandError: they do not fit each other.
        DeviceError, SceneError, CalibrationError: they cannot be opened.
    """
    if chosen.camera != "device":
        yield _simulated(args, chosen)
        return
    if chosen.lens not in LENSES:
        known = ", ".join(LENSES)
        raise CommandError(f"a real camera needs a real lens: --lens {known}; or add --ros")
    source = chosen.camera_source or CameraSettings.camera_source
    uri = f"{chosen.lens}:{chosen.lens_source}"
    with open_calibrated(source, uri, args.calibration) as (camera, lens, lens_model):
        rig = make_rig(camera, lens, lens_model, real_exposure(args.exposure_time))
        yield Devices(rig, RECONNECT_TIMEOUT)


def _simulated(args: Arguments, chosen: ChosenDevices) -> Devices:
    if chosen.lens in LENSES:
        raise CommandError(
            f"--lens {chosen.lens} is a real lens and needs a real camera: add --camera CAMERA "
            "(see `aif devices`)"
        )
    exposure_time = simulated_exposure(args.exposure_time)
    clock = SimulatedClock()
    opened = open_subject(
        args.scene,
        args.calibration,
        args.width,
        recorded=chosen.camera == "stack",
        selection=selection(args.channel, args.time, args.series),
    )
    if args.width:
        check_width(*opened.subject.size)
    if opened.stack is not None:
        warn_of_mismatched_slices(opened.stack)
    camera, lens = simulated_devices(opened, clock, exposure_time=exposure_time)
    return Devices(
        Rig(camera, lens, clock, opened.lens_model, exposure_time=exposure_time),
        recorded=opened.stack is not None,
        pixel_size=None if opened.stack is None else opened.stack.pixel_size,
    )
