"""Autofocus by the networks: a look or two, a move, and there it is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.autofocus.neural import FocusDiscriminator, NeuralBlurEstimator, PatchBlur
from aif_ros.autofocus.posterior import FocusPosterior
from aif_ros.autofocus.search import Decision, Look
from aif_ros.images import Image
from aif_ros.optics.lens_model import LensModel

# The discriminator's probability from which on the window counts as in focus.
_ARRIVED = 0.5
# Share of the estimator's distribution that is believed: now and then it is plainly wrong.
_TRUST = 0.9
# From this radius on, pixels, everything looks alike: a reading says only "at least so far".
_FAR_PX = 50.0
# Radii, pixels, up to which a textured window can be expected to tell something.
_REACH_PX = 55.0
# How unlikely it is that a textured window within reach tells nothing.
_SILENT = 0.1
# Positions nearer to a look than this, in half depths of field, would show the same again.
_SAME = 1.0
# Looks this near, in half depths of field, show on which side of them focus is.
_NEXT_TO = 2.5
_MOST_LOOKS = 16
# Probability that must lie within one depth of field for a move to aim at focus itself.
_WORTH_AIMING = 0.05


class PatchEstimator(Protocol):
    """Tells the blur of a patch as a whole."""

    def estimate_patch(self, image: Image) -> PatchBlur:
        """Return the blur of `image`, (H, W) or (H, W, 3), float32 in [0, 1]."""
        ...


class NeuralSearch:
    """Goes where all looks so far agree that focus is, until the discriminator says so.

    A look speaks for two positions, one on either side; limits, prior and the looks from other
    positions decide between them (`FocusPosterior`). It ends at its sharpest look.

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
        self._blurs: list[PatchBlur] = []
        self._start = position
        self._gain = self._lens_model.blur_gain(image_width)
        self._depth_of_field = self._lens_model.depth_of_field(image_width)
        self.posterior = FocusPosterior(self._lens_model, (), image_width, (low, high))
        if self._expected is not None:
            middle, deviation = self._expected
            away = (self.posterior.positions - middle) / deviation
            self.posterior.restrict(-np.log1p(away**2))

    def look(self, patch: Image, position: float) -> Decision:
        """Take in the window as seen at `position` (metres) and decide.

        Raises:
            ImageError: the patch is unusable, or too small for the networks.
        """
        blur = self._estimator.estimate_patch(patch)
        self.looks.append(Look(position, blur.radius))
        self._blurs.append(blur)
        if blur.in_focus >= _ARRIVED:
            return Decision(position, True, True, "the discriminator says it is in focus")
        if np.isfinite(blur.radius):
            self.posterior.update_by(position, blur.radii, _censored(blur), _TRUST)
        else:
            # Nothing to see: probably too far out of focus.
            near = np.abs(self.posterior.positions - position) * self._gain < _REACH_PX
            self.posterior.restrict(np.where(near, np.log(_SILENT), 0.0))
        if self._bracketed():
            reason = "sharper than on either side"
            return Decision(self._best().position, True, True, reason)
        target = self._target() if len(self.looks) < _MOST_LOOKS else None
        if target is not None:
            return Decision(target, False, None, "going where the looks agree that focus is")
        return self._give_up()

    def _target(self) -> float | None:
        """Return the most promising position not looked at yet, metres."""
        positions = self.posterior.positions
        looked = np.array([look.position for look in self.looks])
        distance = np.abs(positions[:, None] - looked).min(axis=1)
        aim = np.where(
            distance > _SAME * self._depth_of_field,
            self.posterior.mass_within(self._depth_of_field),
            0.0,
        )
        if aim.max() >= _WORTH_AIMING:
            return float(positions[self._middle_of_best(aim)])
        # Nothing stands out yet: look where most that is still possible comes within reach.
        reach = _REACH_PX / self._gain
        within = np.where(distance > reach / 2, self.posterior.mass_within(reach), 0.0)
        silent = not any(np.isfinite(blur.radius) for blur in self._blurs)
        if within.max() > _SILENT**2:
            return float(positions[self._middle_of_best(within)])
        return None if silent or not aim.any() else float(positions[self._middle_of_best(aim)])

    @staticmethod
    def _middle_of_best(values: NDArray[np.floating]) -> int:
        """Index in the middle of the plateau of the highest values."""
        best = int(values.argmax())
        plateau = values >= values[best] * 0.999
        end = best
        while end + 1 < len(values) and plateau[end + 1]:
            end += 1
        return (best + end) // 2

    def _best(self) -> Look:
        """The look with the least blur."""
        return self.looks[int(np.nanargmin([look.score for look in self.looks]))]

    def _bracketed(self) -> bool:
        """Whether the window was blurrier a little to either side of the best look."""
        if not any(np.isfinite(look.score) for look in self.looks):
            return False
        best = self._best().position
        near = [look.position - best for look in self.looks]
        near = [offset for offset in near if 0 < abs(offset) < _NEXT_TO * self._depth_of_field]
        # Beyond the ends there is nothing: they stand for a look.
        at_end = _SAME * self._depth_of_field
        low, high = self.posterior.positions[[0, -1]]
        below = best - low < at_end or min(near, default=0.0) < 0
        above = high - best < at_end or max(near, default=0.0) > 0
        return below and above and bool(near)

    def _give_up(self) -> Decision:
        if not any(np.isfinite(look.score) for look in self.looks):
            reason = "nothing to focus on: no look shows any texture"
            return Decision(self._start, True, False, reason)
        reason = f"not certain after {len(self.looks)} looks: the sharpest of them"
        return Decision(self._best().position, True, False, reason)


def _censored(blur: PatchBlur) -> NDArray[np.floating]:
    """The distribution over the radius, with what is far spread evenly over all that is far."""
    far = blur.radii >= _FAR_PX
    return np.where(far, blur.probabilities[far].mean(), blur.probabilities)
