"""Calibration of a lens from photographs: blur per travel, focus breathing, depth of field.

A defocused photograph is the focused one, spread over a disk. The radius is found by blurring the
focused photograph, in linear light, until it matches: no network and no printed target is needed,
only texture. Each window gives an answer of its own; their scatter gives the confidence interval.
The reading curve of the lens relates what the blur estimator reads to this blur.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aif_ros.calibration.travel_direction import (
    UNKNOWN,
    TravelDirection,
    from_magnification,
    from_near_object,
)
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.fusion.motion.stack_registration import register, resample
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.types.frame import Window
from aif_ros.types.image import DISPLAY_GAMMA, Image, to_float, to_gray

if TYPE_CHECKING:  # calibration works without torch
    from aif_ros.defocus.neural import PatchBlur

# Radii that are tried, pixels.
_RADII = np.concatenate([np.arange(0.0, 3.0, 0.25), np.geomspace(3.0, 48.0, 48)])
# Radii from which slopes are taken: smaller ones drown in the lens's own softness.
_LEAST_RADIUS, _LARGEST_RADIUS = 1.5, 32.0
# A match must explain this share of what is seen.
_LEAST_CORRELATION = 0.9
# Rows and columns of windows.
_GRID = (6, 8)
_LEAST_TEXTURE = 1e-5
_FEWEST_WINDOWS = 4
_BOOTSTRAPS = 1000
# Smallest side of a window that the networks take, pixels.
_LEAST_WINDOW = 64
# Windows that are read for the reading curve, its points, samples for each of them, fewest points,
# and the least rise from point to point, pixels.
_CURVE_WINDOWS, _CURVE_POINTS, _CURVE_SAMPLES, _CURVE_FEWEST, _CURVE_STEP = 16, 10, 8, 4, 0.05
# The answer is not determined if its 95 % interval is wider than this, relative to it.
_WIDEST = 0.5


class UndeterminedError(Exception):
    """The photographs do not determine the lens; the message says why and what would."""


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


class PatchEstimator(Protocol):
    """Estimates the blur of a patch as a whole (`NeuralBlurEstimator`)."""

    def estimate_patch(self, image: NDArray[Any]) -> "PatchBlur":
        """Return the blur of `image`, (H, W), float32 in [0, 1]."""
        ...


@dataclass(frozen=True)
class LensCalibration:
    """Result of a calibration.

    Attributes:
        blur_per_metre: blur radius per metre of travel, pixels of the photographs.
        breathing_per_metre: relative change of magnification per metre of travel.
        depth_of_field: half the depth of field, metres of travel (blur radius 1 px).
        matches: every match that it rests on, for a plot.
        width: of the photographs, pixels.
        reading_curve: see `LensModel`; empty if it was not asked for, or not determined.
        direction: which objects are in focus at the higher positions.
    """

    blur_per_metre: Estimate
    breathing_per_metre: Estimate
    depth_of_field: Estimate
    matches: Sequence[Match]
    width: int
    reading_curve: tuple[tuple[float, float], ...] = ()
    direction: TravelDirection = UNKNOWN

    def lens_model(
        self, name: str, limits: tuple[float, float], metres_per_step: float
    ) -> LensModel:
        """Return the calibrated lens."""
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
    transforms = register([focused, defocused])
    first, second = (
        to_gray(resample(image, transform))
        for image, transform in zip((focused, defocused), transforms, strict=True)
    )
    if tenengrad(second) > tenengrad(first):
        raise UndeterminedError(
            "the second photograph is sharper than the first: give the one in focus first"
        )
    matches = []
    for index, place in enumerate(_windows(first.shape)):
        if tenengrad(first[place]) < _LEAST_TEXTURE:
            continue
        radius = WindowBlurs(first, place).radius(second)
        if radius is not None:
            matches.append(Match(index, travel, radius))
    slopes = np.array([match.radius / abs(match.travel) for match in matches])
    ratio = _scale(transforms[0]) / _scale(transforms[1])
    # One pair has no scatter of its own to judge breathing by. Registering photographs that are
    # blurred so differently is good to about half a pixel at their edges.
    doubt = 1.0 / max(first.shape)
    breathing = [(1 / ratio - 1 + error) / travel for error in (0.0, -doubt, doubt)]
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
        near: part of the picture with an object that is nearer than the rest, which shows the
            direction of the lens; None: there is none.

    Raises:
        ValueError: `near` does not lie within the picture.
        UndeterminedError: too little texture, nothing comes into focus within the sweep,
            or the slices do not match.
    """
    images = [to_gray(image) for image in slices]
    places = np.asarray(positions, dtype=np.float64)
    transforms = register(images)
    stack = np.stack(
        [resample(image, transform) for image, transform in zip(images, transforms, strict=True)]
    )
    matches: list[Match] = []
    slopes = []
    followed: list[tuple[tuple[slice, slice], float]] = []
    for index, place in enumerate(_windows(stack.shape[1:])):
        found = _follow(stack, places, place)
        if found is None:
            continue
        slope, peak, radii = found
        slopes.append(slope)
        followed.append((place, _focus(stack, places, place)))
        matches += [
            Match(index, float(position - peak), radius) for position, radius in radii.items()
        ]
    scales = np.array([_scale(transform) for transform in transforms])
    # `transforms` lead from the reference to each slice: their scale is its magnification.
    coefficients, covariance = np.polyfit(places, scales, 1, cov="unscaled")
    residual = scales - np.polyval(coefficients, places)
    deviation = float(np.sqrt(covariance[0, 0] * np.mean(residual**2)))
    at_zero = float(np.polyval(coefficients, 0.0))
    breathing = float(coefficients[0]) / at_zero
    spread = 1.96 * deviation / at_zero
    calibration = _calibration(
        np.array(slopes),
        Estimate(breathing, breathing - spread, breathing + spread),
        matches,
        stack.shape[2],
    )
    growth = calibration.breathing_per_metre
    direction = from_magnification(growth.low, growth.high)
    if near is not None:
        decided = _direction_by(near, stack, places, followed)
        direction = direction if decided is UNKNOWN else decided
    calibration = replace(calibration, direction=direction)
    if estimator is None:
        return calibration
    gain = calibration.blur_per_metre.value
    curve = reading_curve(stack, places, followed, gain, estimator)
    return replace(calibration, reading_curve=curve)


def _direction_by(
    near: Window,
    stack: NDArray[np.float32],
    positions: NDArray[np.float64],
    followed: Sequence[tuple[tuple[slice, slice], float]],
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
    for place in _windows(first.shape[1:]):
        if all(_sharpest(stack, place) is not None for stack in (first, second)):
            delays.append(_focus(first, places, place) - _focus(second, places, place))
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


class WindowBlurs:
    """One window of a focused photograph, blurred by every radius that is tried.

    Args:
        focused: (H, W) float32 in [0, 1].
        place: rows and columns of the window.
    """

    def __init__(self, focused: Image, place: tuple[slice, slice]) -> None:
        rows, columns = place
        margin = int(_RADII[-1])
        inner = (
            slice(margin, margin + rows.stop - rows.start),
            slice(margin, margin + columns.stop - columns.start),
        )
        light = np.pad(focused, margin, mode="reflect")[
            rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin
        ]
        shape = tuple(fft.next_fast_len(side, real=True) for side in light.shape)
        spectrum = fft.rfft2(np.power(light, np.float32(DISPLAY_GAMMA)), s=shape)
        self._place = place
        self._blurred = np.stack(
            [
                _standardised(
                    fft.irfft2(spectrum * _transfer(float(radius), shape), s=shape)[inner]
                )
                for radius in _RADII
            ]
        )

    def radius(self, defocused: Image) -> float | None:
        """Blur radius, pixels, that turns the focused photograph into another within the window.

        Args:
            defocused: (H, W) float32 in [0, 1], registered to the focused one.

        Returns:
            The radius, or None where no radius makes them match.
        """
        seen = np.power(defocused[self._place], np.float32(DISPLAY_GAMMA))
        scores = np.asarray(self._blurred @ _standardised(seen), dtype=np.float64)
        best = int(scores.argmax())
        if not scores[best] > _LEAST_CORRELATION or best == len(_RADII) - 1:
            return None
        return _peak(_RADII, scores, best)


@lru_cache(maxsize=4 * len(_RADII))
def _transfer(radius: float, shape: tuple[int, int]) -> NDArray[np.floating]:
    return Aperture().transfer_function(radius, shape)


def _standardised(window: NDArray[np.floating]) -> NDArray[np.float32]:
    """Pixels less their mean, of unit length: dot products are correlations; 0 if all are alike."""
    values = window.ravel().astype(np.float64)
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return (values / length if length > 0 else values).astype(np.float32)


def _follow(
    stack: NDArray[np.float32], positions: NDArray[np.float64], place: tuple[slice, slice]
) -> tuple[float, float, dict[float, float]] | None:
    """Follow one window through the sweep.

    Returns:
        Pixels per metre, its focus position in metres, and the blur radius at each position that
        counts; None where the window is unusable.
    """
    sharpest = _sharpest(stack, place)
    if sharpest is None:
        return None
    # Signed radii lie on one line through focus, whose slope is wanted.
    signed, where = [], []
    blurs = WindowBlurs(stack[sharpest], place)
    for index, position in enumerate(positions):
        if index == sharpest:
            continue
        radius = blurs.radius(stack[index])
        if radius is not None and _LEAST_RADIUS <= radius <= _LARGEST_RADIUS:
            signed.append(radius if index > sharpest else -radius)
            where.append(position)
    if len(where) < 3:
        return None
    sides = np.sign(signed)
    # An offset for each side: the sharpest slice is not exactly in focus.
    columns = np.stack([np.array(where), sides > 0, sides < 0], axis=1).astype(np.float64)
    columns = columns[:, [0, *(1 + side for side in range(2) if columns[:, 1 + side].any())]]
    solution = np.linalg.lstsq(columns, np.array(signed), rcond=None)[0]
    slope = float(solution[0])
    if slope <= 0:
        return None
    peak = float(positions[sharpest])
    return slope, peak, dict(zip(where, np.abs(signed), strict=True))


def _contrast(stack: NDArray[np.float32], place: tuple[slice, slice]) -> NDArray[np.float64]:
    return np.array([tenengrad(image[place]) for image in stack])


def _sharpest(stack: NDArray[np.float32], place: tuple[slice, slice]) -> int | None:
    """Index of the slice of highest contrast; None where there is no texture."""
    contrast = _contrast(stack, place)
    sharpest = int(contrast.argmax())
    if contrast[sharpest] < max(_LEAST_TEXTURE, 2.0 * float(contrast.min())):
        return None
    return sharpest


def _focus(
    stack: NDArray[np.float32], positions: NDArray[np.float64], place: tuple[slice, slice]
) -> float:
    """Focus position of a window, metres: the peak of a parabola through three log contrasts."""
    contrast = _contrast(stack, place)
    return _peak(positions, np.log(contrast + 1e-9), int(contrast.argmax()))


def reading_curve(
    stack: NDArray[np.float32],
    positions: NDArray[np.float64],
    followed: Sequence[tuple[tuple[slice, slice], float]],
    gain: float,
    estimator: PatchEstimator,
) -> tuple[tuple[float, float], ...]:
    """Reading curve: medians of the readings by blur, made monotone; empty if undetermined.

    Args:
        stack: (N, H, W) registered slices.
        positions: (N,) of the slices, metres.
        followed: windows and their focus positions, metres.
        gain: blur per metre, pixels.
        estimator: read.
    """
    if min(stack.shape[1] // _GRID[0], stack.shape[2] // _GRID[1]) < _LEAST_WINDOW:
        return ()
    blurs, readings = [], []
    step = -(-len(followed) // _CURVE_WINDOWS)
    for place, focus in followed[::step]:
        for image, position in zip(stack, positions, strict=True):
            reading = estimator.estimate_patch(np.ascontiguousarray(image[place])).radius
            blur = abs(position - focus) * gain
            if np.isfinite(reading) and blur <= _LARGEST_RADIUS:
                blurs.append(blur)
                readings.append(reading)
    count = min(_CURVE_POINTS, len(blurs) // _CURVE_SAMPLES)
    if count < _CURVE_FEWEST:
        return ()
    parts = np.array_split(np.argsort(blurs), count)
    x = np.array([np.median(np.array(blurs)[part]) for part in parts])
    y = np.array([np.median(np.array(readings)[part]) for part in parts])
    # The mean of the least monotone curve above the medians and the greatest one below them.
    y = 0.5 * (np.maximum.accumulate(y) + np.minimum.accumulate(y[::-1])[::-1])
    # Flat parts do not determine the travel: only their first points are kept.
    kept = np.r_[True, (np.diff(x) > _CURVE_STEP) & (np.diff(y) > _CURVE_STEP)]
    if kept.sum() < 2:
        return ()
    pairs = zip(x[kept], y[kept], strict=True)
    return tuple((round(float(blur), 3), round(float(reading), 3)) for blur, reading in pairs)


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
        depth_of_field=Estimate(1 / middle, 1 / high, 1 / low),
        matches=matches,
        width=width,
    )


def _windows(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    rows = np.linspace(0, shape[0], _GRID[0] + 1).astype(int)
    columns = np.linspace(0, shape[1], _GRID[1] + 1).astype(int)
    return [
        (slice(int(rows[i]), int(rows[i + 1])), slice(int(columns[j]), int(columns[j + 1])))
        for i in range(_GRID[0])
        for j in range(_GRID[1])
    ]


def _scale(transform: NDArray[np.float64]) -> float:
    return float(np.sqrt(abs(np.linalg.det(transform[:2, :2]))))


def _peak(x: NDArray[np.float64], y: NDArray[np.float64], index: int) -> float:
    """Place of the maximum of a parabola through a sample and its neighbours."""
    if index in (0, len(x) - 1):
        return float(x[index])
    a, b, _ = np.polyfit(x[index - 1 : index + 2], y[index - 1 : index + 2], 2)
    return float(-b / (2 * a)) if a < 0 else float(x[index])
