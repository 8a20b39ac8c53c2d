"""Opens a real lens for use: limits reported before it moves, backlash compensated."""

from collections.abc import Callable, Sequence

from aif_ros.devices.backends import open_motor_lens
from aif_ros.devices.backlash import compensated
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import FocusLens
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.optics.lens_model import LensModel


def open_calibrated_lens(
    uri: str,
    clock: Clock,
    lens_model: LensModel | None,
    report: Callable[[Sequence[str]], None],
    *,
    opener: Callable[[str, Clock, LensModel | None], MotorLens] = open_motor_lens,
) -> FocusLens:
    """Open the lens that a URI names.

    Args:
        uri: BACKEND:ADDRESS with its settings.
        clock: source of the stamps.
        lens_model: calibration; its limits are never left. None: without one.
        report: called with the lines of `MotorLens.limits_report` before the lens moves.
        opener: opens the motor.

    Raises:
        ValueError: the URI is wrong.
        DeviceError: the lens cannot be opened.
    """
    lens = opener(uri, clock, lens_model)
    report(lens.limits_report(lens_model))
    return compensated(lens, lens_model)
