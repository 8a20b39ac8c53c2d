"""Number of images that the autofocus searches need, and their accuracy: the paper's Table 1.

A trial is one textured plane at a random focus position and a random start of the lens. All
searches see the same trials; what they see is made by the forward model the networks are trained
with, from photos they were not trained on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.search import FocusSearch
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.conditions import CONDITIONS, Condition
from aif_ros.simulation.patches import Defocus, draw_crop
from aif_ros.simulation.photos import PhotosError
from aif_ros.simulation.simulated_camera import follow_with_backlash
from aif_ros.types.image import Image, to_float

SIZE = 512
"""Side of the window, pixels."""
_SCALES = (0.4, 0.75)
"""Sizes that photos are reduced to, shares of their own: as `estimator` measures with."""
_NEAR_STEPS = 300
"""Motor steps within which a near start lies: 27 px of blur with the paper's lens."""
_MOST_IMAGES = 400
"""Images after which a search is ended: more than a sweep takes."""


@dataclass(frozen=True)
class Trial:
    """One task.

    Attributes:
        crop: (512, 512) float32, the sharp window, encoded.
        focus: where it is in focus, metres.
        start: where the lens is at first, metres.
        seed: of the noise.
    """

    crop: Image = field(repr=False)
    focus: float
    start: float
    seed: int


@dataclass(frozen=True)
class TrialResult:
    """Result of one search in one trial.

    Attributes:
        images: images captured, the first one included.
        error: distance of the lens from focus at the end, metres.
        success: whether that is within the depth of field.
        focused: whether the search reported that it is in focus.
        hunting: share of the moves that ended blurrier than they began.
        blurs: true blur radius, pixels, of each image.
    """

    images: int
    error: float
    success: bool
    focused: bool
    hunting: float
    blurs: Sequence[float] = field(repr=False)

    @property
    def false_focus(self) -> bool:
        """Whether it was reported in focus, but is not."""
        return self.focused and not self.success


def paper_lens(range_steps: int) -> LensModel:
    """The lens of the paper: 0.09 px of blur radius and 0.006 % of magnification a step of 1 um."""
    return LensModel(
        name="Wang 2021",
        metres_per_step=1e-6,
        limits=(0.0, range_steps * 1e-6),
        blur_per_metre=90000.0,
        calibration_width=3840,
        breathing_per_metre=60.0,
    )


def make_trials(
    photos: Sequence[NDArray[np.uint8]],
    lens: LensModel,
    count: int,
    near: bool,
    seed: int,
    condition: Condition = CONDITIONS["standard"],
) -> list[Trial]:
    """Draw trials.

    Args:
        photos: (H, W, 3) uint8, taken in turn.
        lens: focus and start lie within its limits.
        count: of trials.
        near: whether the lens starts within 300 steps of focus.
        seed: of everything.
        condition: says whether photos are seen, or drawings.

    Raises:
        PhotosError: hardly any photo is sharp and large enough.
    """
    random = np.random.default_rng(seed)
    usable = [photo for photo in photos if min(photo.shape[:2]) >= SIZE]
    if not usable:
        raise PhotosError(f"none of these photos is at least {SIZE} px high and wide")
    low, high = lens.limits
    reach = _NEAR_STEPS * lens.metres_per_step
    trials: list[Trial] = []
    failures = 0
    while len(trials) < count:
        photo = usable[(len(trials) + failures) % len(usable)]
        crop = condition.draw(SIZE, random)
        if crop is None:
            drawn = draw_crop(photo, SIZE, random, _SCALES, least_sharp=0.5)
            if drawn is None:
                failures += 1
                if failures > 20 * (len(trials) + len(usable)):
                    raise PhotosError("too few of these photos are truly sharp")
                continue
            crop = drawn[0]
        focus = random.uniform(low, high)
        start = (
            random.uniform(max(low, focus - reach), min(high, focus + reach))
            if near
            else random.uniform(low, high)
        )
        trials.append(Trial(condition.faded(crop), focus, start, int(random.integers(2**31))))
    return trials


class Bench:
    """A lens and a camera before the plane of one trial.

    Args:
        trial: the task.
        lens: the lens.
        breathing: whether the image's scale changes with the lens position.
        backlash: dead travel of the motor, metres.
        condition: point-spread function and camera.
    """

    def __init__(
        self,
        trial: Trial,
        lens: LensModel,
        breathing: bool,
        backlash: float,
        condition: Condition = CONDITIONS["standard"],
    ) -> None:
        self._trial = trial
        self._lens = lens
        self._breathing = breathing
        self._backlash = backlash
        self._motor = self._optics = trial.start
        self._random = np.random.default_rng(trial.seed)
        self._condition = condition
        low, high = lens.limits
        largest = self._lens.blur_radius(
            max(high - trial.focus, trial.focus - low) + backlash, 0.0, lens.calibration_width
        )
        # Beyond a crop's own size mirrored edges repeat themselves: more margin adds nothing.
        margin = min(condition.scale * largest, SIZE - 4)
        self._defocus = Defocus(trial.crop, condition.camera.gamma, margin)

    @property
    def motor(self) -> float:
        """Lens position reported by the motor, metres."""
        return self._motor

    @property
    def blur(self) -> float:
        """True blur radius, pixels, by the calibrated lens."""
        return abs(self._signed_blur)

    @property
    def _signed_blur(self) -> float:
        return self._lens.blur_radius(self._optics, self._trial.focus, self._lens.calibration_width)

    @property
    def error(self) -> float:
        """True distance from focus, metres."""
        return abs(self._optics - self._trial.focus)

    def move_to(self, position: float) -> None:
        """Move the motor to the whole step nearest to `position` (metres)."""
        step = self._lens.metres_per_step
        self._motor = round(self._lens.within_limits(position) / step) * step
        self._optics = follow_with_backlash(self._motor, self._optics, self._backlash)

    def capture(self) -> Image:
        """Take an image of the window, float32 in [0, 1]."""
        defocus = self._condition.scale * self._signed_blur
        light = self._defocus(defocus, self._condition.spread)
        if self._breathing:
            scale = self._lens.magnification(self._optics) / self._lens.magnification(
                self._trial.focus
            )
            middle = (SIZE - 1) / 2
            matrix = np.array([[scale, 0, (1 - scale) * middle], [0, scale, (1 - scale) * middle]])
            light = cv2.warpAffine(
                light, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
            )
        return to_float(self._condition.camera.capture(np.maximum(light, 0), self._random))


def run_trial(search: FocusSearch, bench: Bench, lens: LensModel) -> TrialResult:
    """Let a search focus, and judge it by the truth.

    Args:
        search: has not begun.
        bench: lens and window; the lens is where the trial starts.
        lens: its calibration and limits.
    """
    search.begin(bench.motor, lens.limits, lens.calibration_width)
    blurs = [bench.blur]
    decision = search.update(bench.capture(), bench.motor)
    while not decision.done and len(blurs) < _MOST_IMAGES:
        if decision.via is not None:
            bench.move_to(decision.via)
        bench.move_to(decision.position)
        blurs.append(bench.blur)
        decision = search.update(bench.capture(), bench.motor)
    bench.move_to(decision.position)
    moves = np.diff(blurs)
    return TrialResult(
        images=len(blurs),
        error=bench.error,
        success=bench.blur <= lens.depth_of_field_px,
        focused=bool(decision.focused),
        hunting=float(np.mean(moves > 0)) if len(moves) else 0.0,
        blurs=blurs,
    )


def compare(
    searches: Mapping[str, FocusSearch],
    trials: Sequence[Trial],
    lens: LensModel,
    *,
    breathing: bool = False,
    backlash: float = 0.0,
    condition: Condition = CONDITIONS["standard"],
    progress: Callable[[], None] = lambda: None,
) -> dict[str, list[TrialResult]]:
    """Let every search do every trial.

    Args:
        searches: by name.
        trials: the tasks.
        lens: the lens.
        breathing: whether the image's scale changes with the lens position.
        backlash: dead travel of the motor, metres.
        condition: point-spread function and camera.
        progress: called after each trial of each search.
    """
    runs: dict[str, list[TrialResult]] = {name: [] for name in searches}
    for trial in trials:
        for name, search in searches.items():
            bench = Bench(trial, lens, breathing, backlash, condition)
            runs[name].append(run_trial(search, bench, lens))
            progress()
    return runs


def figures(
    runs: Mapping[str, Sequence[TrialResult]], lens: LensModel
) -> dict[str, dict[str, Any]]:
    """The figures of each search, ready for JSON.

    Args:
        runs: trials by the name of the search.
        lens: of all trials; gives the size of a motor step.
    """
    table = {}
    for name, done in runs.items():
        images = np.array([run.images for run in done])
        errors = np.array([run.error for run in done])
        table[name] = {
            "images_mean": float(images.mean()),
            "images_median": float(np.median(images)),
            "images_p95": float(np.percentile(images, 95)),
            "success_rate": float(np.mean([run.success for run in done])),
            "false_focus_rate": float(np.mean([run.false_focus for run in done])),
            "error_steps_median": lens.steps(float(np.median(errors))),
            "hunting_rate": float(np.mean([run.hunting for run in done])),
        }
    return table
