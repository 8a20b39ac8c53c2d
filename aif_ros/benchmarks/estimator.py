"""Accuracy of the blur network on patches of known blur made from sharp photos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aif_ros.defocus.neural import NeuralBlurEstimator
from aif_ros.defocus.patch_blur import PatchBlur
from aif_ros.simulation.conditions import CONDITIONS, Condition
from aif_ros.simulation.defocused_planes import DefocusedPlane, draw_planes
from aif_ros.simulation.metrics import area_under_curve
from aif_ros.simulation.patches import Patch
from aif_ros.simulation.sensor_model import SensorModel

Array = NDArray[np.float64]
BANDS = {"0-2": (0, 2), "2-10": (2, 10), "10-27": (10, 27), "0-27": (0, 27), "27-60": (27, 60)}
"""Bands of the blur radius, pixels."""
NOISES = (0.0, 1.5, 3.0, 5.0, 10.0)
"""Standard deviations of the noise, of 255."""
EXPOSURES = (0.25, 0.5, 1.0, 2.0)
"""Factors on the light: two stops less to one more."""
SIZE = 512
"""Side of a patch, pixels."""
COVERAGE = 0.85
"""Share of the patches that remains when the least sure ones are left out."""
AT_FOCUS_PX = 1.0
"""Radii below this are "at focus": the default depth of field."""
FALSE_FOCUS_PX = 2.0
"""Patches blurred by more than this, twice the depth of field, must not be called in focus."""
_SHARP_PX, _BLURRED_PX = 0.7, (1.5, 60.0)
"""Radii of patches in focus, at most, and out of focus, range: clearly on either side of 1 px."""


@dataclass(frozen=True)
class PatchResults:
    """Answers of the network for N patches, beside the truth.

    Attributes:
        truth: (N,) true radius, pixels.
        radius: (N,) mean of the estimated distribution, pixels, also where it counts as unknown.
        uncertainty: (N,) standard deviation, pixels; infinite where the answer was "unknown".
        in_focus: (N,) probability to be in focus, 0.5 where the answer was "unknown".
    """

    truth: Array
    radius: Array
    uncertainty: Array
    in_focus: Array

    def within(self, low: float, high: float) -> "PatchResults":
        """Those of true radii from `low` up to, not including, `high`, pixels."""
        chosen = (self.truth >= low) & (self.truth < high)
        return PatchResults(
            self.truth[chosen], self.radius[chosen], self.uncertainty[chosen], self.in_focus[chosen]
        )

    def surest(self, share: float) -> "PatchResults":
        """The share of them with the least uncertainty."""
        order = np.argsort(self.uncertainty, kind="stable")[: round(share * len(self.truth))]
        return PatchResults(
            self.truth[order], self.radius[order], self.uncertainty[order], self.in_focus[order]
        )

    @property
    def error(self) -> Array:
        """(N,) estimated less true radius, pixels."""
        return self.radius - self.truth

    def mean_error(self) -> float:
        """Mean absolute error, pixels; NaN where there are no readings."""
        return float(np.abs(self.error).mean()) if len(self.truth) else float("nan")


@dataclass(frozen=True)
class Result:
    """Everything `benchmark estimator` measures.

    Attributes:
        standard: readings at the standard camera: gamma 2.4, noise sigma 1.5/255.
        focus: readings of radii 0 to 2 px, and clearly in focus or not.
        by_noise: readings of 0 to 27 px by noise sigma, of 255.
        by_exposure: readings of 0 to 27 px by exposure.
        by_condition: readings of 0 to 27 px, and clearly in focus or not, by name in `CONDITIONS`.
        examples: patches before they are blurred, to see what counted as sharp.
    """

    standard: PatchResults
    focus: PatchResults
    discrimination: PatchResults
    by_noise: Mapping[float, PatchResults]
    by_exposure: Mapping[float, PatchResults]
    by_condition: Mapping[str, tuple[PatchResults, PatchResults]]
    examples: Sequence[NDArray[np.uint8]] = field(repr=False)


def read(estimator: NeuralBlurEstimator, patches: Sequence[Patch]) -> PatchResults:
    """Run the network on patches of one depth each.

    Args:
        estimator: of blur.
        patches: of which the true blur radius is the same at each pixel.
    """
    answers = [estimator.estimate_patch(patch.luma) for patch in patches]
    uncertainty = np.array([answer.uncertainty for answer in answers])
    in_focus = np.array([answer.in_focus for answer in answers])
    return PatchResults(
        np.array([float(patch.radius[0, 0]) for patch in patches]),
        np.array([_mean_radius(answer) for answer in answers]),
        np.where(np.isnan(uncertainty), np.inf, uncertainty),
        np.where(np.isnan(in_focus), 0.5, in_focus),
    )


def _mean_radius(answer: PatchBlur) -> float:
    """The mean on the estimator's own scale, log(1 + r / 4), also where it is "unknown"."""
    return float(4 * np.expm1(answer.probabilities @ np.log1p(answer.radii / 4)))


def measure(
    estimator: NeuralBlurEstimator,
    photos: Sequence[NDArray[np.uint8]],
    patches: int,
    seed: int,
    progress: Callable[[str], None] = lambda name: None,
    conditions: Mapping[str, Condition] = CONDITIONS,
) -> Result:
    """Measure the network.

    Args:
        estimator: the blur network.
        photos: (H, W, 3) uint8 each, that they were not trained on.
        patches: number of patches of 0 to 27 px, and again of 27 to 60, 0 to 2 px and so on.
        seed: of crops and noise.
        progress: called with the name of what is measured next.
        conditions: further conditions to measure in, by name.

    Raises:
        PhotosError: hardly any of the photos is sharp and large enough.
    """
    trials = _Trials(estimator, photos, np.random.default_rng(seed))
    progress("radii")
    standard = trials.evaluate(
        trials.draw(
            np.concatenate([trials.spread(0, 27, patches), trials.spread(27, 60, patches)])
        ),
        SensorModel(),
    )
    progress("focus")
    focus = trials.evaluate(trials.draw(trials.spread(0, 2, patches)), SensorModel())
    discrimination = trials.evaluate(trials.draw(trials.clear(patches // 2)), SensorModel())
    planes = trials.draw(trials.spread(0, 27, patches // 2))
    by_noise, by_exposure = {}, {}
    for noise in NOISES:
        progress(f"noise {noise:g}")
        by_noise[noise] = trials.evaluate(planes, SensorModel(read_noise=noise / 255))
    for exposure in EXPOSURES:
        progress(f"exposure {exposure:g}")
        by_exposure[exposure] = trials.evaluate(planes, SensorModel(exposure=exposure))
    by_condition = {}
    for name, condition in conditions.items():
        progress(name)
        by_condition[name] = (
            trials.evaluate(
                trials.draw(trials.spread(0, 27, patches // 2), condition), condition.camera
            ),
            trials.evaluate(trials.draw(trials.clear(patches // 2), condition), condition.camera),
        )
    sharp = trials.photograph(trials.draw(np.zeros(6)), SensorModel(read_noise=0))
    examples = [patch.luma for patch in sharp]
    return Result(standard, focus, discrimination, by_noise, by_exposure, by_condition, examples)


@dataclass(frozen=True)
class _Trials:
    """Patches of photos, defocused and photographed, and what the network says of them.

    Attributes:
        estimator: the blur network.
        photos: (H, W, 3) uint8 each.
        random: of crops and noise.
    """

    estimator: NeuralBlurEstimator
    photos: Sequence[NDArray[np.uint8]]
    random: np.random.Generator

    def spread(self, low: float, high: float, count: int) -> Array:
        """Evenly spread radii in random order, so that no photo gets only one part of them."""
        return self.random.permutation(low + (np.arange(count) + 0.5) / count * (high - low))

    def clear(self, count: int) -> Array:
        """As many radii clearly in focus as clearly not; of these most are small."""
        low, high = _BLURRED_PX
        blurred = low * (high / low) ** (self.spread(0, 1, count) ** 2)
        return np.concatenate([self.spread(0, _SHARP_PX, count), blurred])

    def draw(
        self, radii: Array, condition: Condition = CONDITIONS["standard"]
    ) -> list[DefocusedPlane]:
        return draw_planes(self.photos, radii, SIZE, self.random, condition)

    def photograph(self, planes: Sequence[DefocusedPlane], camera: SensorModel) -> list[Patch]:
        return [plane.photograph(camera, self.random) for plane in planes]

    def evaluate(self, planes: Sequence[DefocusedPlane], camera: SensorModel) -> PatchResults:
        return read(self.estimator, self.photograph(planes, camera))


def figures(result: Result) -> dict[str, Any]:
    """The figures of a result, ready for JSON: errors in pixels, but where they are shares."""

    def errors(share: float) -> dict[str, float]:
        values = {
            name: result.standard.within(*band).surest(share).mean_error()
            for name, band in BANDS.items()
        }
        # Two of 27 pixels are too few readings: that band has its own.
        return {**values, "0-2": result.focus.surest(share).mean_error()}

    far = result.standard.within(27, 60).surest(COVERAGE)
    near = result.focus.within(0, AT_FOCUS_PX)
    surest = result.standard.surest(COVERAGE)
    scaled = np.abs(surest.error) / surest.uncertainty
    sharp = result.discrimination.truth <= _SHARP_PX
    in_focus = result.discrimination.in_focus
    return {
        "mae_px": errors(COVERAGE),
        "mae_px_all": errors(1.0),
        "relative_error_27-60": float(np.mean(np.abs(far.error) / far.truth)),
        "bias_at_focus_px": float(near.error.mean()),
        "mae_px_noise10": result.by_noise[10.0].surest(COVERAGE).mean_error(),
        "mae_px_by_noise": {
            f"{noise:g}": readings.surest(COVERAGE).mean_error()
            for noise, readings in result.by_noise.items()
        },
        "mae_px_by_exposure": {
            f"{exposure:g}": readings.surest(COVERAGE).mean_error()
            for exposure, readings in result.by_exposure.items()
        },
        "unknown_share": float(np.mean(np.isinf(result.standard.uncertainty))),
        "calibration": {
            "within_1_sigma": float(np.mean(scaled <= 1)),
            "within_2_sigma": float(np.mean(scaled <= 2)),
            "rms_error_over_sigma": float(np.sqrt(np.mean(scaled**2))),
        },
        "conditions": {
            name: _in_condition(*readings) for name, readings in result.by_condition.items()
        },
        "discriminator": {
            "accuracy": float(np.mean((in_focus > 0.5) == sharp)),
            "auc": area_under_curve(in_focus, sharp),
        },
    }


def _in_condition(radii: PatchResults, clear: PatchResults) -> dict[str, float]:
    """Figures of one condition: errors in pixels, bias as a share of the radius."""
    known = np.isfinite(radii.uncertainty)
    far = known & (radii.truth > FALSE_FOCUS_PX)
    scaled = np.abs(radii.error[known]) / radii.uncertainty[known]
    blurred = np.concatenate([part.truth > FALSE_FOCUS_PX for part in (radii, clear)])
    in_focus = np.concatenate([part.in_focus for part in (radii, clear)])
    # A lens with aberrations has no radius below its own.
    sharp = clear.truth < _BLURRED_PX[0]
    return {
        "mae_px": radii.surest(COVERAGE).mean_error(),
        "mae_px_all": radii.mean_error(),
        "bias": float(np.mean(radii.error[far] / radii.truth[far])) if far.any() else float("nan"),
        "unknown_share": float(np.mean(~known)),
        "within_2_sigma": float(np.mean(scaled <= 2)) if known.any() else float("nan"),
        "auc": area_under_curve(clear.in_focus, sharp) if sharp.any() else float("nan"),
        "false_focus": float(np.mean(in_focus[blurred] > 0.5)),
    }


def save_figures(result: Result, folder: Path) -> list[Path]:
    """Draw errors, calibration, robustness and what counted as sharp; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    surest = result.standard.surest(COVERAGE)
    axes[0, 0].plot([0, 60], [0, 60], color="0.7")
    axes[0, 0].errorbar(surest.truth, surest.radius, surest.uncertainty, fmt=".", ms=3, lw=0.4)
    axes[0, 0].set(xlabel="true radius (px)", ylabel="estimated radius (px)")
    order = np.argsort(surest.uncertainty)
    parts = [part for part in np.array_split(order, 10) if len(part)]
    claimed = [np.sqrt(np.mean(surest.uncertainty[part] ** 2)) for part in parts]
    made = [np.sqrt(np.mean(surest.error[part] ** 2)) for part in parts]
    axes[0, 1].loglog(claimed, made, "o-")
    axes[0, 1].loglog(claimed, claimed, color="0.7")
    axes[0, 1].set(xlabel="stated uncertainty (px)", ylabel="error made, rms (px)")
    for axis, curves, label in (
        (axes[1, 0], result.by_noise, "noise sigma (of 255)"),
        (axes[1, 1], result.by_exposure, "exposure"),
    ):
        axis.plot(list(curves), [r.surest(COVERAGE).mean_error() for r in curves.values()], "o-")
        axis.plot(list(curves), [r.mean_error() for r in curves.values()], "o--", color="0.6")
        axis.set(xlabel=label, ylabel="mean error, 0-27 px (px)", ylim=(0, None))
    axes[1, 0].legend([f"surest {COVERAGE:.0%}", "all"])
    sheet = Figure(figsize=(12, 8), layout="constrained")
    for axis, example in zip(sheet.subplots(2, 3).flat, result.examples, strict=True):
        axis.imshow(example, cmap="gray", vmin=0, vmax=255)
        axis.set_axis_off()
    sheet.suptitle("What counted as sharp: patches before they are blurred")
    paths = [folder / "estimator.png", folder / "estimator_sharp.png"]
    for path, drawing in zip(paths, (figure, sheet), strict=True):
        FigureCanvasAgg(drawing).print_png(str(path))
    return paths
