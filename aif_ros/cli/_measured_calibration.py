"""What both ways of calibrating a lens share: their result, and what they measure with."""

from dataclasses import dataclass
from typing import Any

from aif_ros.calibration.sweep_calibration import LensCalibration
from aif_ros.calibration.travel_direction import Towards
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.defocus.patch_blur import PatchEstimator
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Window


@dataclass(frozen=True)
class MeasuredCalibration:
    """A calibration, before the direction of the travel is chosen.

    Attributes:
        calibration: as measured.
        lens_model: the calibrated lens.
        notes: what else `--json` shows of it.
        defined_direction: see `MotorLens.higher_focuses`.
    """

    calibration: LensCalibration
    lens_model: LensModel
    notes: dict[str, Any]
    defined_direction: Towards | None = None


def near_window(args: Arguments) -> Window | None:
    """Return the part of the image with a near object, as given by `--near`."""
    return None if args.near is None else Window(*args.near)


def blur_estimator() -> PatchEstimator | None:
    """Return the shipped blur network, or None where PyTorch is not installed."""
    try:
        from aif_ros.defocus.neural import NeuralBlurEstimator
    except ModuleNotFoundError:
        return None
    return NeuralBlurEstimator()
