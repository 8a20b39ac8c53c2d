"""Autofocus by the networks: a look or two, a move, and there it is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.search import Decision, Look
from aif_ros.autofocus.window_posterior import WindowPosterior
from aif_ros.defocus.neural import FocusDiscriminator, NeuralBlurEstimator, PatchBlur
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image

# Probability within the depth of field from which on the search is sure of it, ...
_SURE = 0.94
# ... if it has looked this near, in half depths of field, ...
_SEEN = 1.5
# ... and from which on a position is worth going to as focus itself, not only to learn more.
_WORTH = 0.25
# It has arrived if the discriminator is as sure as this at the look of highest contrast. Elsewhere,
# as in soft pictures, contrasts must be lower by this factor on either side, no farther than so
# many half depths of field; that proof is looked for so many of them away.
_IN_FOCUS = 0.9
_LOWER = 1.05
_NEXT_TO = 3.0
_BESIDE = 1.5
# Looks nearer than this, in half depths of field, show the same; nor do motors rest between steps.
_SAME = 0.5
_SAME_STEPS = 0.75
# A lens that rests in so few places, farther apart than its depth of field, looks from all: of two
# things in a window, each is invisible where the other is in focus.
_FEW_PLACES = 8
# More looks than this a search that is any good does not need.
_MOST_LOOKS = 16
# There is nothing to see if so many looks tell the networks nothing, and if their contrasts are
# within this factor of each other, as those of noise are.
_MOST_BLIND_LOOKS = 6
_SAME_CONTRAST = 1.15


class PatchEstimator(Protocol):
    """Tells the blur of a patch as a whole."""

    def estimate_patch(self, image: Image) -> PatchBlur:
        """Return the blur of `image`, (H, W) or (H, W, 3), float32 in [0, 1]."""
        ...


class NeuralSearch:
    """Goes where all looks so far agree that focus is, until they are sure of it.

    A look speaks for two positions, one on either side; limits, prior, the discriminator and the
    looks from other positions decide between them (`WindowPosterior`). Where nothing stands out
    yet, it looks from where it expects to learn most. The scores of its looks are blur radii.

    Args:
        lens_model: of the lens in use.
        estimator: tells blur; default: the shipped networks.
        expected: position and its standard deviation, metres, where focus was last known or is
            believed to be.
    """

    def __init__(
        self,
        lens_model: LensModel,
        estimator: PatchEstimator | None = None,
        expected: tuple[float, float] | None = None,
    ) -> None:
        self._lens_model = lens_model
        self._estimator = estimator or NeuralBlurEstimator(
            discriminator=FocusDiscriminator(lens_model.depth_of_field_px)
        )
        self._expected = expected
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
        self._contrasts: list[float] = []
        self._in_focus: list[float] = []
        self._start = position
        step, reach = (
            self._lens_model.metres_per_step,
            self._lens_model.half_depth_of_focus(image_width),
        )
        # A lens of few resting places gets no nearer to focus than half the way between two.
        self._depth_of_field = max(reach, 0.6 * step)
        self._few_places = reach < step and high - low <= _FEW_PLACES * step
        self._same = max(_SAME * self._depth_of_field, _SAME_STEPS * step)
        self.posterior = WindowPosterior(
            (low, high),
            self._lens_model.blur_gain(image_width),
            self._depth_of_field,
            self._expected,
        )

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable, or too small for the networks.
        """
        blur = self._estimator.estimate_patch(patch)
        contrast = tenengrad(patch)
        self.looks.append(Look(position, blur.radius))
        self._contrasts.append(contrast)
        self._in_focus.append(blur.in_focus)
        self.posterior.look(position, blur, contrast)
        return self._decide()

    def _decide(self) -> Decision:
        blind = not any(np.isfinite(look.score) for look in self.looks) and (
            max(self._contrasts) <= _SAME_CONTRAST * min(self._contrasts)
        )
        looked = np.array([look.position for look in self.looks])
        mass = self.posterior.mass_within(0.9 * self._depth_of_field)
        focus = float(self.posterior.positions[_middle_of_best(mass)])
        distance = float(np.abs(looked - focus).min())
        target: float | None
        if not blind and mass.max() >= _SURE and distance <= _SEEN * self._depth_of_field:
            target, reason = self._unproven(), "making sure that it is not sharper beside"
            if target is None:
                reason = "all looks agree that it is sharpest here"
                return Decision(self._end(focus), True, True, reason)
        elif mass.max() >= _WORTH and distance > self._depth_of_field:
            target, reason = focus, "going where the looks agree that focus is"
        else:
            target = self.posterior.most_informative(looked, self._same)
            reason = "looking from where most can be learnt"
        if target is None or len(self.looks) >= (_MOST_BLIND_LOOKS if blind else _MOST_LOOKS):
            if blind:
                reason = "nothing to focus on: no look shows any texture"
                return Decision(self._start, True, False, reason)
            reason = f"not certain after {len(self.looks)} looks: the one of highest contrast"
            return Decision(self.looks[self._best].position, True, False, reason)
        return Decision(target, False, None, reason)

    @property
    def _best(self) -> int:
        """Index of the look of highest contrast."""
        return int(np.argmax(self._contrasts))

    def _unproven(self) -> float | None:
        """Where to look for proof that focus is at the look of highest contrast; None if it is."""
        if self._few_places:
            looked = np.array([look.position for look in self.looks])
            return self.posterior.most_informative(looked, self._same)
        if self._in_focus[self._best] >= _IN_FOCUS:
            return None
        low, high = self.posterior.positions[[0, -1]]
        for flank, side in zip(self._flanks(), (-_BESIDE, _BESIDE), strict=True):
            beside = self.looks[self._best].position + side * self._depth_of_field
            target = float(np.clip(beside, low, high))
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
                index: side * (look.position - self.looks[best].position) / self._depth_of_field
                for index, look in enumerate(self.looks)
                if self._contrasts[index] * _LOWER < self._contrasts[best]
            }
            near = [index for index, offset in offsets.items() if 0 < offset <= _NEXT_TO]
            found.append(min(near, key=offsets.__getitem__, default=None))
        return found[0], found[1]

    def _end(self, focus: float) -> float:
        """Where to stay, metres: the networks' answer, or what the contrasts prove."""
        if self._in_focus[self._best] >= _IN_FOCUS:
            return focus
        below, above = self._flanks()
        if below is None or above is None:
            return self.looks[self._best].position
        return self._peak(below, self._best, above)

    def _peak(self, below: int, best: int, above: int) -> float:
        """Where a parabola through the logarithms of three contrasts is highest, metres."""
        x = np.array([self.looks[index].position for index in (below, best, above)])
        y = np.log([self._contrasts[index] for index in (below, best, above)])
        a, b, _ = np.polyfit((x - x[1]) / self._depth_of_field, y, 2)
        return float(x[1] - self._depth_of_field * b / (2 * a))


def _middle_of_best(mass: NDArray[np.float64]) -> int:
    """Index in the middle of the plateau that begins with the highest value."""
    best = int(mass.argmax())
    end = best
    while end + 1 < len(mass) and mass[end + 1] >= 0.999 * mass[best]:
        end += 1
    return (best + end) // 2
