"""Calibration of a lens from photographs: blur per travel, focus breathing, depth of field.

A defocused photograph is the focused one, spread over a disk. The radius is found by blurring the
focused photograph, in linear light, until it matches: no network and no printed target is needed,
only texture. Each window gives an answer of its own; their scatter gives the confidence interval.
The reading curve of the lens relates what the blur estimator reads to this blur.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aif_ros.calibration.reading_curve import reading_curve
from aif_ros.calibration.sweep_registration import register_sweep
from aif_ros.calibration.travel_direction import (
    UNKNOWN,
    TravelDirection,
    from_magnification,
    from_near_object,
)
from aif_ros.calibration.windows import (
    LEAST_TEXTURE,
    Place,
    WindowBlurs,
    focus_position,
    follow,
    sharpest,
    windows,
)
from aif_ros.defocus.patch_blur import PatchEstimator
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.fusion.motion.warping import resample
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Window
from aif_ros.types.image import Image, to_float, to_gray

_FEWEST_WINDOWS = 4
"""Fewest windows that a calibration is based on."""
_BOOTSTRAPS = 1000
"""Resamplings of the windows for the confidence interval."""
_WIDEST = 0.5
"""Largest width of the 95 % interval of a determined lens, relative to the value."""


class UndeterminedError(Exception):
    """The photographs do not determine the lens; the message says why and what would."""


BLUR_DRIFT = 0.5
"""Pixels by which the edge of an image seems to move when it is registered to one that is blurred
differently: root mean square 0.27 px, at most 0.76 px, on 20 rendered sweeps of 320 px without
breathing (four focus positions, five textures)."""
LEAST_GROWTH = 0.1
"""Pixels by which the edge of the image must move over a sweep to show the direction of the lens:
on the same sweeps `magnification_growth` errs by 0.026 px (root mean square), 0.061 px at most."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Match:
    """One window of one photograph, matched.

    Attributes:
        window: number of the window.
        travel: signed travel between the photographs, metres.
        radius: blur radius, pixels.
    """

    window: int
    travel: float
    radius: float


@dataclass(frozen=True)
class LensCalibration:
    """Result of a calibration.

    Attributes:
        blur_per_metre: blur radius per metre of travel, pixels of the photographs.
        breathing_per_metre: relative change of magnification per metre of travel.
        half_depth_of_focus: travel at which the blur radius is 1 px, metres.
        matches: every match that it rests on, for a plot.
        width: of the photographs, pixels.
        reading_curve: see `LensModel`; empty if it was not asked for, or not determined.
        direction: which objects are in focus at the higher positions.
    """

    blur_per_metre: Estimate
    breathing_per_metre: Estimate
    half_depth_of_focus: Estimate
    matches: Sequence[Match]
    width: int
    reading_curve: tuple[tuple[float, float], ...] = ()
    direction: TravelDirection = UNKNOWN

    def lens_model(
        self, name: str, limits: tuple[float, float], metres_per_step: float
    ) -> LensModel:
        """Return the calibrated lens.

        Args:
            name: of the lens, for reports.
            limits: lowest and highest position, metres.
            metres_per_step: travel of one motor step.
        """
        return LensModel(
            name=name,
            metres_per_step=metres_per_step,
            limits=limits,
            blur_per_metre=self.blur_per_metre.value,
            calibration_width=self.width,
            breathing_per_metre=self.breathing_per_metre.value,
            reading_curve=self.reading_curve,
        )


def calibrate_pair(focused: Image, defocused: Image, travel: float) -> LensCalibration:
    """Calibrate from two photographs of a flat scene, as the authors of the paper do.

    Args:
        focused: (H, W) or (H, W, 3), float32 in [0, 1], in focus all over.
        defocused: the same view with the lens moved.
        travel: from the focused to the defocused one, metres, not 0; its sign counts for
            breathing.

    Raises:
        UndeterminedError: too little texture, or the photographs do not match.
        ValueError: the travel is 0 or not finite.
    """
    if not (np.isfinite(travel) and travel != 0):
        raise ValueError(f"the travel must be a number of metres other than 0, got {travel}")
    transforms = register_sweep([to_gray(focused), to_gray(defocused)])
    first, second = (
        to_gray(resample(image, transform))
        for image, transform in zip((focused, defocused), transforms, strict=True)
    )
    if tenengrad(second) > tenengrad(first):
        raise UndeterminedError(
            "the second photograph is sharper than the first: give the one in focus first"
        )
    matches = []
    for index, place in enumerate(windows(first.shape)):
        if tenengrad(first[place]) < LEAST_TEXTURE:
            continue
        radius = WindowBlurs(first, place).radius(second)
        if radius is not None:
            matches.append(Match(index, travel, radius))
    slopes = np.array([match.radius / abs(match.travel) for match in matches])
    ratio = _scale(transforms[0]) / _scale(transforms[1])
    # One pair has no scatter of its own to judge breathing by.
    drift = BLUR_DRIFT * 2 / max(first.shape)
    breathing = [(1 / ratio - 1 + error) / travel for error in (0.0, -drift, drift)]
    interval = Estimate(breathing[0], min(breathing), max(breathing))
    calibration = _calibration(slopes, interval, matches, first.shape[1])
    return replace(calibration, direction=from_magnification(interval.low, interval.high))


def calibrate_sweep(
    slices: Iterable[Image],
    positions: Sequence[float],
    estimator: PatchEstimator | None = None,
    near: Window | None = None,
) -> LensCalibration:
    """Calibrate from a recorded sweep.

    Args:
        slices: (H, W) or (H, W, 3), float32 in [0, 1], ordered by position.
        positions: lens position of each, metres, ascending.
        estimator: whose readings are related to the travel; None: no reading curve.
        near: part of the image with an object that is nearer than the rest, which shows the
            direction of the lens; None: there is none.

    Raises:
        ValueError: `near` does not lie within the image.
        UndeterminedError: too little texture, nothing comes into focus within the sweep,
            or the slices do not match.
    """
    images = [to_gray(image) for image in slices]
    places = np.asarray(positions, dtype=np.float64)
    transforms = register_sweep(images)
    stack = np.stack(
        [resample(image, transform) for image, transform in zip(images, transforms, strict=True)]
    )
    matches: list[Match] = []
    slopes = []
    followed: list[tuple[Place, float]] = []
    for index, place in enumerate(windows(stack.shape[1:])):
        found = follow(stack, places, place)
        if found is None:
            continue
        slope, peak, radii = found
        slopes.append(slope)
        followed.append((place, focus_position(stack, places, place)))
        matches += [
            Match(index, float(position - peak), radius) for position, radius in radii.items()
        ]
    # `transforms` lead from the reference to each slice: their scale is its magnification.
    scales = np.array([_scale(transform) for transform in transforms])
    # One pixel at the edge that moves most, half an image from the centre, over the whole sweep.
    pixel = 2 / (max(stack.shape[1:]) * float(places[-1] - places[0]))
    foci = [focus for _, focus in followed]
    growth = magnification_growth(scales, places, foci, BLUR_DRIFT * pixel)
    calibration = _calibration(np.array(slopes), growth, matches, stack.shape[2])
    direction = from_magnification(growth.low, growth.high, LEAST_GROWTH * pixel)
    if near is not None:
        decided = _direction_by(near, stack, places, followed)
        direction = direction if decided is UNKNOWN else decided
    calibration = replace(calibration, direction=direction)
    if estimator is None:
        return calibration
    gain = calibration.blur_per_metre.value
    curve = reading_curve(stack, places, followed, gain, estimator)
    return replace(calibration, reading_curve=curve)


def magnification_growth(
    scales: NDArray[np.float64],
    positions: NDArray[np.float64],
    foci: Sequence[float],
    drift: float,
) -> Estimate:
    """Relative change of magnification per metre of travel.

    Registering slices that are blurred differently errs to one side, which depends on the scene.
    The blur is the same on both sides of focus, the magnification is not: both are fitted
    together, ``scale = a + b * position + c * distance from focus``.

    Args:
        scales: (N,) magnification of each slice, up to a common factor.
        positions: (N,) lens position of each, metres.
        foci: positions at which the windows of the image are in focus, metres.
        drift: change per metre that blur alone can seem to cause; the error where there are too few
            slices to separate it.
    """
    span = float(positions[-1] - positions[0])
    travel = (positions - positions[0]) / span
    blur = np.mean([np.abs(positions - focus) for focus in foci] or [positions], axis=0) / span
    design = np.stack([np.ones_like(travel), travel, blur], axis=1)
    freedom = len(scales) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        growth = float(np.polyfit(positions, scales, 1)[0] / scales.mean())
        return Estimate(growth, growth - drift, growth + drift)
    coefficients, *_ = np.linalg.lstsq(design, scales, rcond=None)
    residual = scales - design @ coefficients
    covariance = np.linalg.inv(design.T @ design) * (residual @ residual) / freedom
    per_metre = 1 / (span * float(scales.mean()))
    growth = float(coefficients[1]) * per_metre
    deviation = float(np.sqrt(covariance[1, 1])) * per_metre
    return Estimate(growth, growth - 1.96 * deviation, growth + 1.96 * deviation)


def _direction_by(
    near: Window,
    stack: NDArray[np.float32],
    positions: NDArray[np.float64],
    followed: Sequence[tuple[Place, float]],
) -> TravelDirection:
    """Direction of the lens by an object that is nearer than the rest."""
    inside = near.mask((stack.shape[2], stack.shape[1]))
    within = [focus for place, focus in followed if inside[place].mean() > 0.5]
    beyond = [focus for place, focus in followed if not inside[place].any()]
    if not within or not beyond:
        return UNKNOWN
    pitch = float(np.diff(positions).min())
    return from_near_object(float(np.median(within)), float(np.median(beyond)), pitch)


def measure_backlash(
    forth: Iterable[Image], back: Iterable[Image], positions: Sequence[float]
) -> float:
    """Backlash of the motor, metres: how much later windows come into focus on the way back.

    0 where the scatter of the windows explains the difference.

    Args:
        forth: slices of a sweep upwards, ordered by position.
        back: slices at the same positions of a sweep downwards, ordered by position too.
        positions: of the motor, metres, ascending.

    Raises:
        UndeterminedError: too few windows come into focus in both.
    """
    places = np.asarray(positions, dtype=np.float64)
    first, second = (np.stack([to_gray(image) for image in part]) for part in (forth, back))
    if first.shape != second.shape:
        raise UndeterminedError("the two sweeps differ in size or number of slices")
    delays = []
    for place in windows(first.shape[1:]):
        if all(sharpest(stack, place) is not None for stack in (first, second)):
            delays.append(
                focus_position(first, places, place) - focus_position(second, places, place)
            )
    if len(delays) < _FEWEST_WINDOWS:
        raise UndeterminedError(
            f"only {len(delays)} windows come into focus in both sweeps, {_FEWEST_WINDOWS} are "
            "needed: take them of something with texture all over"
        )
    middle = float(np.median(delays))
    # Of a median of normal values; 1.4826: from the median absolute deviation.
    scatter = 1.4826 * float(np.median(np.abs(np.array(delays) - middle)))
    error = 1.2533 * scatter / np.sqrt(len(delays))
    return middle if middle > 2 * error else 0.0


def calibrate_stack(
    stack: FocalStack, estimator: PatchEstimator | None = None
) -> tuple[LensModel, bool]:
    """Calibrate the lens of a recorded focal stack for its replay.

    Args:
        stack: the recording.
        estimator: see `calibrate_sweep`.

    Returns:
        The lens model, and whether the stack determines it; where it does not, the model is that
        of `FocalStack.lens_model`.

    Raises:
        DeviceError: a slice cannot be read.
    """
    suggested = stack.lens_model()
    slices = (to_float(stack.read(index)) for index in range(len(stack.positions)))
    try:
        calibration = calibrate_sweep(slices, list(stack.positions), estimator)
    except UndeterminedError:
        return suggested, False
    steps = suggested.metres_per_step
    return calibration.lens_model(suggested.name, suggested.limits, steps), True


def _calibration(
    slopes: NDArray[np.float64], breathing: Estimate, matches: Sequence[Match], width: int
) -> LensCalibration:
    if len(slopes) < _FEWEST_WINDOWS:
        raise UndeterminedError(
            f"only {len(slopes)} windows could be matched, {_FEWEST_WINDOWS} are needed: take "
            "photographs of something with texture all over, with more travel between them"
        )
    random = np.random.default_rng(0)
    medians = np.median(random.choice(slopes, (_BOOTSTRAPS, len(slopes))), axis=1)
    low, high = (float(value) for value in np.percentile(medians, (2.5, 97.5)))
    middle = float(np.median(slopes))
    if middle <= 0 or (high - low) > _WIDEST * middle:
        raise UndeterminedError(
            f"the windows disagree: between {low:.4g} and {high:.4g} px of blur per metre; take "
            "photographs of something flat, or a sweep in which more comes into focus"
        )
    return LensCalibration(
        blur_per_metre=Estimate(middle, low, high),
        breathing_per_metre=breathing,
        half_depth_of_focus=Estimate(1 / middle, 1 / high, 1 / low),
        matches=matches,
        width=width,
    )


def _scale(transform: NDArray[np.float64]) -> float:
    return float(np.sqrt(abs(np.linalg.det(transform[:2, :2]))))
