"""Autofocus by the networks and the contrast: a look or two, a move, and a look to verify it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.fibonacci import narrow_down
from aif_ros.autofocus.search import Decision, Look
from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.autofocus.window_posterior import WindowPosterior
from aif_ros.defocus.neural import FocusDiscriminator, NeuralBlurEstimator, PatchBlur
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image


@dataclass(frozen=True)
class Rules:
    """When a search goes where, and when it ends; found with `benchmark autofocus`.

    Lengths are in half depths of focus.

    Attributes:
        sure: probability within the depth of focus from which on the position is believed, ...
        seen: ... if there was a look this near to it.
        worth: probability from which on a position is gone to as focus itself, not to learn more.
        in_focus: probability, by the discriminator, from which on a look counts as in focus, ...
        agreement: ... if the reading of an earlier look agrees with the travel from there to here
            within this many pixels, ...
        agreement_share: ... or this share of it, ...
        agreement_travel: ... which is at least so many pixels of blur.
        lower: without such agreement, contrasts must be lower by this factor on either side, ...
        next_to: ... no farther away than this; ...
        beside: ... they are looked for so far away.
        witness: where the first look is in focus already, the next one is so many pixels of blur
            away: there the reading shows whether the networks can be believed.
        there: a look this near to the end position verifies it, ...
        reproduced: ... if its contrast is at least this share of the highest, ...
        doubted: at the ends of the range, which have one side only, a look counts as in focus by
            its contrast unless the discriminator gives it less than this.
        contradiction: ... and the estimator does not read so many pixels more than in focus, ...
        attempts: ... and so often the lens is sent back if it is not.
        same: looks nearer than this show the same.
        same_steps: the same in motor steps: a lens does not rest between them.
        few_places: a lens that rests in so few places, farther apart than its depth of focus,
            looks from all of them: of two objects in a window, each is invisible where the other
            is in focus.
        most_looks: a search that has not ended by then follows the contrast, ...
        most_climbs: ... for so many looks more.
        most_blind: the networks having seen nothing in so many looks, it follows the contrast.
        saturated: share of the gradients in saturated parts from which on the networks are not
            believed: clipped edges look sharp at any defocus.
    """

    sure: float = 0.94
    seen: float = 1.5
    worth: float = 0.25
    in_focus: float = 0.85
    agreement: float = 1.5
    agreement_share: float = 0.25
    agreement_travel: float = 2.0
    lower: float = 1.05
    next_to: float = 3.0
    beside: float = 1.5
    witness: float = 5.0
    there: float = 1.0
    reproduced: float = 0.85
    doubted: float = 0.05
    contradiction: float = 3.0
    attempts: int = 2
    same: float = 0.5
    same_steps: float = 0.75
    few_places: int = 8
    most_looks: int = 12
    most_climbs: int = 12
    most_blind: int = 4
    saturated: float = 0.7


RULES = Rules()


class PatchEstimator(Protocol):
    """Estimates the blur of a patch as a whole."""

    def estimate_patch(self, image: Image) -> PatchBlur:
        """Return the blur of `image`, (H, W) or (H, W, 3), float32 in [0, 1]."""
        ...


class NeuralSearch:
    """Goes where all looks so far agree that focus is, and ends when a look there confirms it.

    A look speaks for two positions, one on either side; limits, prior, the discriminator, the
    contrast and the looks from other positions decide between them (`WindowPosterior`). Where
    nothing stands out yet, it looks from where it expects to learn most. Where the networks see
    too little it narrows the contrast down. The scores of its looks are blur radii.

    Args:
        lens_model: of the lens in use.
        estimator: estimates blur; default: the shipped networks.
        expected: position and its standard deviation, metres, where focus was last known or is
            expected.
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
        self._estimator = estimator or NeuralBlurEstimator(
            discriminator=FocusDiscriminator(lens_model.depth_of_field_px)
        )
        self._expected = expected
        self._rules = rules
        self.looks: list[Look] = []

    def begin(self, position: float, limits: tuple[float, float], image_width: int) -> None:
        """Forget all earlier looks and start from `position`; see `FocusSearch`.

        Raises:
            ValueError: the limits are empty or not finite.
        """
        low, high = (self._lens_model.within_limits(limit) for limit in limits)
        if not low < high:
            raise ValueError(f"limits {limits} leave no lens positions to search")
        self.looks = []
        self._contrast = WindowContrast()
        self._contrasts: NDArray[np.float64] = np.zeros(0)
        self._in_focus: list[float] = []
        self._start = position
        self._limits = low, high
        self._gain = self._lens_model.blur_gain(image_width)
        self._image_width = image_width
        self._attempts = self._rules.attempts
        step = self._lens_model.metres_per_step
        reach = self._lens_model.half_depth_of_focus(image_width)
        # A lens of few resting places gets no nearer to focus than half the way between two.
        self._depth_of_focus = max(reach, 0.6 * step)
        self._few_places = reach < step and high - low <= self._rules.few_places * step
        self._same = max(self._rules.same * self._depth_of_focus, self._rules.same_steps * step)
        self.posterior = WindowPosterior(
            (low, high), self._gain, self._depth_of_focus, self._expected, self._expected_reading
        )

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable, or too small for the networks.
        """
        blur = self._estimator.estimate_patch(patch)
        self._contrast.add(patch)
        self._contrasts = self._contrast.values
        if self._is_clipped(-1):
            blur = replace(blur, radius=np.nan, uncertainty=np.nan, in_focus=np.nan)
        self.looks.append(Look(position, blur.radius))
        self._in_focus.append(blur.in_focus)
        self.posterior.look(position, blur, self._contrasts)
        return self._decide()

    def _expected_reading(self, radius: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._lens_model.expected_reading(radius, self._image_width))

    def _decide(self) -> Decision:
        rules = self._rules
        unread = not any(np.isfinite(look.score) for look in self.looks)
        blind = unread and not self._contrast.varies
        if len(self.looks) >= rules.most_looks + rules.most_climbs:
            return self._give_up()
        if (unread and len(self.looks) >= rules.most_blind) or len(self.looks) >= rules.most_looks:
            return self._follow_contrast()
        if len(self.looks) == 1 and self._in_focus[0] >= rules.in_focus and not self._few_places:
            reason = "in focus, it seems: looking from beside whether the networks can be believed"
            return Decision(self._witness(), False, None, reason)
        looked = np.array([look.position for look in self.looks])
        mass = self.posterior.mass_within(0.9 * self._depth_of_focus)
        focus = float(self.posterior.positions[_middle_of_best(mass)])
        distance = float(np.abs(looked - focus).min())
        target: float | None
        if not blind and mass.max() >= rules.sure and distance <= self._seen:
            target, reason = self._unproven(), "making sure that it is not sharper beside"
            if target is None:
                return self._conclude(self._end(focus), "all looks agree that it is sharpest here")
        elif mass.max() >= rules.worth and distance > self._depth_of_focus:
            target, reason = focus, "going where the looks agree that focus is"
        else:
            target = self.posterior.most_informative(looked, self._same)
            reason = "looking from where most can be learnt"
        if target is None:
            return self._give_up()
        return Decision(target, False, None, reason)

    @property
    def _seen(self) -> float:
        return self._rules.seen * self._depth_of_focus

    @property
    def _best(self) -> int:
        """Index of the look of highest contrast."""
        return int(np.argmax(self._contrasts))

    def _give_up(self) -> Decision:
        """End without focus."""
        if not self._contrast.varies:
            reason = "nothing to focus on: no look shows any texture"
            return Decision(self._start, True, False, reason)
        reason = f"not certain after {len(self.looks)} looks: the one of highest contrast"
        return Decision(self.looks[self._best].position, True, False, reason)

    def _follow_contrast(self) -> Decision:
        """Narrow the contrast down, as `FibonacciSearch` does."""
        scores = [
            Look(look.position, float(contrast))
            for look, contrast in zip(self.looks, self._contrasts, strict=True)
        ]
        step = self._lens_model.metres_per_step
        enough = max(2.0 * self._depth_of_focus, 1.25 * step)
        target = narrow_down(scores, self._limits, enough)
        if target is not None:
            reason = "following the contrast: the networks see too little"
            return Decision(target, False, None, reason)
        if not self._contrast.varies:
            return self._give_up()
        peak = self.looks[self._best].position
        if not self._is_peak(peak, self._same):
            # A pattern can be seen again beyond the blur that hides it: look where no look was.
            places = np.sort([*self._limits, *(look.position for look in self.looks)])
            widest = int(np.diff(places).argmax())
            if np.diff(places)[widest] <= enough:
                return self._give_up()
            reason = "following the contrast: it is no peak yet"
            return Decision(float(places[widest : widest + 2].mean()), False, None, reason)
        return self._conclude(peak, "highest contrast of all looks; the networks see too little")

    def _is_peak(self, end: float, there: float) -> bool:
        """Whether the contrast is highest at `end` and clearly lower beside it, all in metres."""
        best = self.looks[self._best].position
        if abs(best - end) > there:
            return False
        if self._few_places:
            return True
        flanks = zip(self._flanks(), self._limits, strict=True)
        return all(flank is not None or abs(limit - best) <= there for flank, limit in flanks)

    def _conclude(self, end: float, reason: str) -> Decision:
        """End if the latest look was at `end` and confirms it; else go there and look."""
        rules, last = self._rules, self.looks[-1]
        there = max(rules.there * self._depth_of_focus, rules.same_steps * self._step)
        if abs(last.position - end) <= there:
            at_focus = float(self._expected_reading(np.array(0.0)))
            if last.score > at_focus + rules.contradiction and not self._few_places:
                reason = (
                    f"contrast says it is sharpest here, but the blur reads {last.score:.1f} px"
                )
                return Decision(last.position, True, False, reason)
            if self._is_believed(-1):
                # In focus already: a smaller move than the depth of focus needs no proof.
                return Decision(end, True, True, reason)
            if self._at_limit() and self._in_focus[-1] < rules.doubted:
                reason = "sharpest at the end of the range: focus may lie beyond it"
                return Decision(last.position, True, False, reason)
            reproduced = self._contrasts[-1] >= rules.reproduced * self._contrasts.max()
            if reproduced and self._is_peak(end, there):
                return Decision(last.position, True, True, reason)
        elif self._attempts:
            self._attempts -= 1
            return Decision(end, False, None, "verifying the last move")
        reason = (
            "the sharpest position is not found again: the motor has backlash that the lens "
            "calibration lacks, or the scene has changed"
        )
        return Decision(last.position, True, False, reason)

    def _at_limit(self) -> bool:
        """Whether the lens is at an end of its range, where one side cannot be looked at."""
        return min(abs(self.looks[-1].position - limit) for limit in self._limits) <= self._same

    @property
    def _step(self) -> float:
        return self._lens_model.metres_per_step

    def _is_clipped(self, index: int) -> bool:
        """Whether the networks may not be believed at a look, because saturated parts lead."""
        clipped = self._contrast.saturated(index) > self._rules.saturated
        return clipped and self._contrast.masked

    def _is_believed(self, index: int) -> bool:
        """Whether a look is in focus by the discriminator, and an earlier reading agrees."""
        if not self._in_focus[index] >= self._rules.in_focus or self._is_clipped(index):
            return False
        rules, here = self._rules, self.looks[index]
        for look in self.looks:
            travel = np.array(abs(look.position - here.position) * self._gain)
            expected = float(self._expected_reading(travel))
            tolerance = max(rules.agreement, rules.agreement_share * expected)
            if travel >= rules.agreement_travel and abs(look.score - expected) <= tolerance:
                return True
        return False

    def _witness(self) -> float:
        """Position beside the first look, metres, towards the side with more room."""
        (low, high), start = self._limits, self.looks[0].position
        side = 1.0 if high - start > start - low else -1.0
        return float(np.clip(start + side * self._rules.witness / self._gain, low, high))

    def _unproven(self) -> float | None:
        """Where to look for proof that focus is at the look of highest contrast; None if it is."""
        if self._few_places:
            looked = np.array([look.position for look in self.looks])
            return self.posterior.most_informative(looked, self._same)
        if self._is_believed(self._best):
            return None
        rules, best = self._rules, self.looks[self._best].position
        low, high = self._limits
        for flank, side in zip(self._flanks(), (-rules.beside, rules.beside), strict=True):
            target = float(np.clip(best + side * self._depth_of_focus, low, high))
            if (
                flank is None
                and min(abs(look.position - target) for look in self.looks) > self._same
            ):
                return target
        return None

    def _flanks(self) -> tuple[int | None, int | None]:
        """The looks of clearly lower contrast next below and above the one of the highest."""
        best = self._best
        found: list[int | None] = []
        for side in (-1, 1):
            offsets = {
                index: side * (look.position - self.looks[best].position) / self._depth_of_focus
                for index, look in enumerate(self.looks)
                if self._contrasts[index] * self._rules.lower < self._contrasts[best]
            }
            near = [index for index, offset in offsets.items() if 0 < offset <= self._rules.next_to]
            found.append(min(near, key=offsets.__getitem__, default=None))
        return found[0], found[1]

    def _end(self, focus: float) -> float:
        """Where to stay, metres: the networks' answer, or what the contrasts prove."""
        if self._is_believed(self._best):
            return focus
        below, above = self._flanks()
        if below is None or above is None:
            return self.looks[self._best].position
        return self._peak(below, self._best, above)

    def _peak(self, below: int, best: int, above: int) -> float:
        """Where a parabola through the logarithms of three contrasts is highest, metres."""
        x = np.array([self.looks[index].position for index in (below, best, above)])
        y = np.log(self._contrasts[[below, best, above]])
        a, b, _ = np.polyfit((x - x[1]) / self._depth_of_focus, y, 2)
        return float(x[1] - self._depth_of_focus * b / (2 * a))


def _middle_of_best(mass: NDArray[np.float64]) -> int:
    """Index in the middle of the plateau that begins with the highest value."""
    best = int(mass.argmax())
    end = best
    while end + 1 < len(mass) and mass[end + 1] >= 0.999 * mass[best]:
        end += 1
    return (best + end) // 2
