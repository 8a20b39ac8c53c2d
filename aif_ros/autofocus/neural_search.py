"""Autofocus by blur network and contrast: one or two images, a move, an image to verify it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.fibonacci import end_distance, narrow_down
from aif_ros.autofocus.least_blur import LEAST_BLUR, blur_rises
from aif_ros.autofocus.one_side import OneSide
from aif_ros.autofocus.search import Decision, FocusMeasurement, search_range
from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.autofocus.window_posterior import WindowPosterior
from aif_ros.defocus.neural import NeuralBlurEstimator
from aif_ros.defocus.patch_blur import PatchBlur, PatchEstimator
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image
from aif_ros.types.wording import counted


@dataclass(frozen=True)
class Rules:
    """Thresholds of the neural search, chosen with `benchmark autofocus`.

    Lengths are in half depths of focus.

    Attributes:
        min_confidence: least posterior probability within the depth of focus to accept a position;
            ...
        max_image_distance: ... and largest distance of the nearest image.
        min_target_probability: least posterior probability to move to a position as the focus
            position, rather than to the most informative one.
        in_focus: least probability of being in focus for an image to count as such; ...
        agreement: ... an earlier reading must agree with the travel between the two images within
            this many pixels ...
        agreement_share: ... or this share of it; ...
        agreement_travel: ... that travel is at least this many pixels of blur.
        flank_contrast: without such agreement, contrasts on both sides must be lower by this
            factor; ...
        max_flank_distance: ... largest distance of those images; ...
        flank_distance: ... distance at which they are taken.
        confirmation: if the first image is in focus, distance of the next one, pixels of blur: its
            reading checks the network.
        end_tolerance: largest distance of an image that verifies the end position; ...
        min_reproduced_contrast: ... least ratio of its contrast to the highest; ...
        contradiction: ... largest excess of its reading over the reading in focus, pixels, unless
            `blur_rises` from there to both sides; ...
        in_focus_at_limit: ... at the limits, which have one side only: least probability of being
            in focus.
        attempts: number of times the lens returns to the end position to verify it.
        same_position: images closer than this are the same.
        few_places: number of resting positions, farther apart than the depth of focus, up to which
            all of them are visited: of two objects in a window, each is invisible where the other
            is in focus.
        images_to_compare: number of images from which on the first one is compared with the others.
        most_images: number of images after which the search follows the contrast, ...
        most_climbs: ... for this many more images.
        most_unread: number of images without any reading after which it follows the contrast.
        saturated: share of the gradients in saturated parts from which on readings are ignored:
            clipped edges appear sharp at any defocus.
    """

    min_confidence: float = 0.94
    max_image_distance: float = 1.5
    min_target_probability: float = 0.25
    in_focus: float = 0.85
    agreement: float = 1.5
    agreement_share: float = 0.25
    agreement_travel: float = 2.0
    flank_contrast: float = 1.05
    max_flank_distance: float = 3.0
    flank_distance: float = 1.5
    confirmation: float = 5.0
    end_tolerance: float = 1.0
    min_reproduced_contrast: float = 0.85
    in_focus_at_limit: float = 0.05
    contradiction: float = 3.0
    attempts: int = 2
    same_position: float = 0.5
    few_places: int = 8
    images_to_compare: int = 3
    most_images: int = 12
    most_climbs: int = 12
    most_unread: int = 4
    saturated: float = 0.7


RULES = Rules()


class NeuralSearch:
    """Moves to the most probable focus position and ends when an image there confirms it.

    One image is consistent with two focus positions, one on either side; limits, prior, the
    probability of being in focus, the contrast and images at other positions resolve the ambiguity
    (`WindowPosterior`). While no position is probable enough, the next image is the most
    informative one. Where the network has no reading, a golden-section search of the contrast
    is used. The scores of the images are blur radii.

    All positions are approached from one side (see `OneSide`), and a first image that does not fit
    the later ones is not counted: before it, the lens may have come from the other side. Where the
    contrast at the end position is not found again, the search begins again, with a longer
    approach.

    Args:
        lens_model: of the lens in use.
        estimator: estimates blur; default: the shipped network.
        expected: expected focus position and its standard deviation, metres; None: unknown.
        rules: see `Rules`.
    """

    def __init__(
        self,
        lens_model: LensModel,
        estimator: PatchEstimator | None = None,
        expected: tuple[float, float] | None = None,
        rules: Rules = RULES,
    ) -> None:
        self._lens_model = lens_model
        self._estimator = estimator or NeuralBlurEstimator(lens_model.depth_of_field_px)
        self._expected = expected
        self._rules = rules
        self.measurements: list[FocusMeasurement] = []

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Discard all earlier images and start from `position`; see `FocusSearch`.

        Raises:
            ValueError: the limits are empty or not finite.
        """
        low, high = self._limits = search_range(self._lens_model, limits)
        self.measurements = []
        self._blurs: list[PatchBlur] = []
        self._contrast = WindowContrast()
        self._start = position
        self._gain = self._lens_model.blur_gain(image_width)
        self._image_width = image_width
        step = self._lens_model.metres_per_step
        reach = self._lens_model.half_depth_of_focus(image_width)
        # A lens with few resting positions reaches focus within half their spacing only.
        self._half_depth_of_focus = max(reach, 0.6 * step)
        self._few_places = reach < step and high - low <= self._rules.few_places * step
        self._same = max(
            self._rules.same_position * self._half_depth_of_focus,
            self._lens_model.arrival_tolerance,
        )
        self._one_side = OneSide(
            self._lens_model, position, self._limits, self._half_depth_of_focus
        )
        self._begin_with(0)

    def _begin_with(self, first: int) -> None:
        """Use the images from index `first` on only."""
        self._first = first
        self._attempts = self._rules.attempts
        self.posterior = self._posterior_from(first)

    def _posterior_from(self, first: int) -> WindowPosterior:
        """Posterior given the images from index `first` on."""
        posterior = WindowPosterior(
            self._limits,
            self._gain,
            self._half_depth_of_focus,
            self._expected,
            self._expected_reading,
        )
        values = self._contrast.values if self.measurements else np.zeros(0)
        for index in range(first, len(self.measurements)):
            position = self.measurements[index].position
            posterior.update(position, self._blurs[index], values[first : index + 1])
        return posterior

    @property
    def _images(self) -> list[FocusMeasurement]:
        """Images in use: those since the search has last begun."""
        return self.measurements[self._first :]

    @property
    def _contrasts(self) -> NDArray[np.float64]:
        """(n,) comparable contrasts of `_images`."""
        return self._contrast.values[self._first :]

    def update(self, patch: Image, position: float) -> Decision:
        """Process the image of the window at lens position `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable, or too small for the network.
        """
        blur = self._estimator.estimate_patch(patch)
        self._contrast.add(patch)
        self._blurs.append(blur)
        self.measurements.append(FocusMeasurement(position, blur.radius))
        if self._is_clipped(-1):
            blur = replace(blur, radius=np.nan, uncertainty=np.nan, in_focus=np.nan)
            self._blurs[-1] = blur
            self.measurements[-1] = FocusMeasurement(position, blur.radius)
        self.posterior.update(position, blur, self._contrasts)
        if self._first == 0 and self._first_contradicts():
            self._begin_with(1)
        decision = self._decide()
        if decision.done or decision.via is not None:
            return decision
        # From which side the lens has come to its start is not known.
        unknown = len(self.measurements) == 1 and not self._one_side.takes_up(
            position, decision.position
        )
        via = self._one_side.via(position, decision.position, again=unknown)
        return replace(decision, via=via)

    def _first_contradicts(self) -> bool:
        """Whether the first image does not fit two later ones: the motor has backlash.

        The lens may have come to its start from the other side than to all other positions.
        """
        first = self.measurements[0]
        if not self._one_side.needed or len(self.measurements) < self._rules.images_to_compare:
            return False
        if not np.isfinite(first.score):
            return False
        later = self._posterior_from(1)
        mass = later.mass_within(0.9 * self._half_depth_of_focus)
        focus = float(later.positions[_middle_of_best(mass)])
        expected = float(self._expected_reading(np.array(abs(focus - first.position) * self._gain)))
        tolerance = max(self._rules.agreement, self._rules.agreement_share * expected)
        return (
            mass.max() >= self._rules.min_target_probability
            and not abs(first.score - expected) <= tolerance
        )

    def _expected_reading(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._lens_model.expected_reading(radius, self._image_width))

    def _decide(self) -> Decision:
        rules = self._rules
        unread = not any(np.isfinite(each.score) for each in self._images)
        uninformed = unread and not self._contrast.varies
        if len(self._images) >= rules.most_images + rules.most_climbs:
            return self._give_up()
        if (unread and len(self._images) >= rules.most_unread) or len(
            self._images
        ) >= rules.most_images:
            return self._follow_contrast()
        if (
            len(self._images) == 1
            and self._blurs[self._first].in_focus >= rules.in_focus
            and not self._few_places
        ):
            reason = "seems in focus: checking the network from a position beside it"
            return Decision(self._confirmation(), False, None, reason)
        positions = np.array([each.position for each in self._images])
        mass = self.posterior.mass_within(0.9 * self._half_depth_of_focus)
        focus = float(self.posterior.positions[_middle_of_best(mass)])
        distance = float(np.abs(positions - focus).min())
        target: float | None
        if (
            not uninformed
            and mass.max() >= rules.min_confidence
            and distance <= self._max_image_distance
        ):
            target, reason = self._unconfirmed(), "checking that contrast is lower on both sides"
            if target is None:
                return self._conclude(self._end(focus), "all images agree on this position")
        elif mass.max() >= rules.min_target_probability and distance > self._half_depth_of_focus:
            target, reason = focus, "moving to the most probable focus position"
        else:
            target = self.posterior.most_informative(positions, self._same)
            reason = "moving to the most informative position"
        if target is None:
            return self._give_up()
        return Decision(target, False, None, reason)

    @property
    def _max_image_distance(self) -> float:
        return self._rules.max_image_distance * self._half_depth_of_focus

    @property
    def _best(self) -> int:
        """Index of the image of highest contrast."""
        return int(np.argmax(self._contrasts))

    def _give_up(self) -> Decision:
        """End without focus."""
        if not self._contrast.varies:
            reason = "nothing to focus on: no texture at any position"
            return Decision(self._start, True, False, reason)
        images = counted(len(self._images), "image")
        reason = f"uncertain after {images}: stays at the highest contrast"
        return Decision(self._images[self._best].position, True, False, reason)

    def _follow_contrast(self) -> Decision:
        """Search for the highest contrast by golden section, as `FibonacciSearch` does."""
        scores = [
            FocusMeasurement(each.position, float(contrast))
            for each, contrast in zip(self._images, self._contrasts, strict=True)
        ]
        enough = end_distance(self._half_depth_of_focus, self._lens_model.metres_per_step)
        target = narrow_down(scores, self._limits, enough)
        if target is not None:
            reason = "following the contrast: the network has no reading"
            return Decision(target, False, None, reason)
        if not self._contrast.varies:
            return self._give_up()
        peak = self._images[self._best].position
        if not self._is_peak(peak, self._same):
            # Defocus can invert the contrast of a pattern (spurious
            # resolution): take an image in the widest gap.
            places = np.sort([*self._limits, *(each.position for each in self._images)])
            widest = int(np.diff(places).argmax())
            if np.diff(places)[widest] <= enough:
                return self._give_up()
            reason = "following the contrast: no peak found yet"
            return Decision(float(places[widest : widest + 2].mean()), False, None, reason)
        return self._conclude(peak, "highest contrast of all images; the network has no reading")

    def _is_peak(self, end: float, tolerance: float) -> bool:
        """Whether the contrast is highest at `end` and clearly lower beside it, all in metres."""
        best = self._images[self._best].position
        if abs(best - end) > tolerance:
            return False
        if self._few_places:
            return True
        flanks = zip(self._flanks(), self._limits, strict=True)
        return all(flank is not None or abs(limit - best) <= tolerance for flank, limit in flanks)

    def _conclude(self, end: float, reason: str) -> Decision:
        """End if the latest image was at `end` and confirms it; else move there."""
        rules, last = self._rules, self._images[-1]
        tolerance = max(
            rules.end_tolerance * self._half_depth_of_focus, self._lens_model.arrival_tolerance
        )
        reproduced = self._contrasts[-1] >= rules.min_reproduced_contrast * self._contrasts.max()
        if abs(last.position - end) <= tolerance:
            at_focus = float(self._expected_reading(np.array(0.0)))
            blurred = last.score > at_focus + rules.contradiction and not self._few_places
            if blurred and (decision := self._examine_blur()) is not None:
                return decision
            if self._is_confirmed(-1):
                # In focus already: a move within the depth of focus needs no verification.
                return Decision(end, True, True, reason)
            if self._at_limit() and self._blurs[-1].in_focus < rules.in_focus_at_limit:
                reason = "sharpest at the end of the range: focus may lie beyond it"
                return Decision(last.position, True, False, reason)
            if reproduced and blurred:
                reason = f"sharpest of all positions, yet soft: blurred by {last.score:.1f} px"
                return Decision(end, True, True, reason)
            if reproduced and self._is_peak(end, tolerance):
                return Decision(end, True, True, reason)
        elif self._attempts:
            self._attempts -= 1
            return Decision(end, False, None, "verifying the last move")
        again = self._one_side.needed and self._first <= 1 and not reproduced
        if again and self._one_side.lengthen():
            self._begin_with(len(self.measurements))
            via = self._one_side.via(last.position, last.position, again=True)
            reason = "searching again with a longer approach"
            return Decision(last.position, False, None, reason, via)
        reason = (
            "the sharpest position is not found again: the motor has backlash that the lens "
            "calibration lacks, or the scene has changed"
        )
        return Decision(last.position, True, False, reason)

    def _examine_blur(self) -> Decision | None:
        """Decide where contrast is highest but blur is read; None: nowhere is less blur."""
        last = self._images[-1]
        rises = {side: blur_rises(self._images, side, self._same) for side in (-1, 1)}
        if all(rises.values()):
            return None
        for side in (-1, 1):
            if rises[side] is None and rises[-side] is not False:
                target = last.position + side * LEAST_BLUR.rise * last.score / self._gain
                known = min(abs(each.position - target) for each in self._images) <= self._same
                if not known and self._limits[0] <= target <= self._limits[1]:
                    self._attempts += 1
                    reason = "highest contrast was here: checking that blur rises on both sides"
                    return Decision(target, False, None, reason)
        reason = (
            f"highest contrast is here, but the estimated blur is {last.score:.1f} px: "
            "if the lens calibration does not fit the lens, run `aif calibrate`"
        )
        return Decision(last.position, True, False, reason)

    def _at_limit(self) -> bool:
        """Whether the lens is at an end of its range."""
        return min(abs(self._images[-1].position - limit) for limit in self._limits) <= self._same

    def _is_clipped(self, index: int) -> bool:
        """Whether saturated parts dominate an image, so that the network is ignored."""
        place = index if index < 0 else self._first + index
        clipped = self._contrast.saturated(place) > self._rules.saturated
        return clipped and self._contrast.masked

    def _is_confirmed(self, index: int) -> bool:
        """Whether an image is in focus by the network, and an earlier reading agrees."""
        place = index if index < 0 else self._first + index
        if not self._blurs[place].in_focus >= self._rules.in_focus or self._is_clipped(index):
            return False
        rules, here = self._rules, self._images[index]
        for each in self._images:
            travel = np.array(abs(each.position - here.position) * self._gain)
            expected = float(self._expected_reading(travel))
            tolerance = max(rules.agreement, rules.agreement_share * expected)
            if travel >= rules.agreement_travel and abs(each.score - expected) <= tolerance:
                return True
        return False

    def _confirmation(self) -> float:
        """Position beside the first image, metres, on the side with more range."""
        (low, high), start = self._limits, self._images[0].position
        side = 1.0 if high - start > start - low else -1.0
        return float(np.clip(start + side * self._rules.confirmation / self._gain, low, high))

    def _unconfirmed(self) -> float | None:
        """Position, metres, of an image needed to confirm the highest contrast; None: none is."""
        if self._few_places:
            positions = np.array([each.position for each in self._images])
            return self.posterior.most_informative(positions, self._same)
        if self._is_confirmed(self._best):
            return None
        rules, best = self._rules, self._images[self._best].position
        low, high = self._limits
        for flank, side in zip(
            self._flanks(), (-rules.flank_distance, rules.flank_distance), strict=True
        ):
            target = float(np.clip(best + side * self._half_depth_of_focus, low, high))
            if (
                flank is None
                and min(abs(each.position - target) for each in self._images) > self._same
            ):
                return target
        return None

    def _flanks(self) -> tuple[int | None, int | None]:
        """Indices of the images of clearly lower contrast next below and above the highest."""
        best = self._best
        found: list[int | None] = []
        for side in (-1, 1):
            offsets = {
                index: side
                * (each.position - self._images[best].position)
                / self._half_depth_of_focus
                for index, each in enumerate(self._images)
                if self._contrasts[index] * self._rules.flank_contrast < self._contrasts[best]
            }
            near = [
                index
                for index, offset in offsets.items()
                if 0 < offset <= self._rules.max_flank_distance
            ]
            found.append(min(near, key=offsets.__getitem__, default=None))
        return found[0], found[1]

    def _end(self, focus: float) -> float:
        """Final position, metres: by the posterior, or by the contrasts where they confirm it."""
        if self._is_confirmed(self._best):
            return focus
        below, above = self._flanks()
        if below is None or above is None:
            return self._images[self._best].position
        return self._peak(below, self._best, above)

    def _peak(self, below: int, best: int, above: int) -> float:
        """Maximum, metres, of the parabola through the logarithms of three contrasts."""
        x = np.array([self._images[index].position for index in (below, best, above)])
        y = np.log(self._contrasts[[below, best, above]])
        a, b, _ = np.polyfit((x - x[1]) / self._half_depth_of_focus, y, 2)
        return float(x[1] - self._half_depth_of_focus * b / (2 * a))


def _middle_of_best(mass: NDArray[np.float64]) -> int:
    """Index in the middle of the plateau that begins with the highest value."""
    best = int(mass.argmax())
    end = best
    while end + 1 < len(mass) and mass[end + 1] >= 0.999 * mass[best]:
        end += 1
    return (best + end) // 2
