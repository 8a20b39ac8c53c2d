"""Where one window is in focus, as far as all looks at it tell.

A look tells how blurred the window is, not on which side of focus the lens stands; it errs now and
then, and in the same way each time it sees the same texture. So the probability is kept jointly
over the focus position and over how the texture deceives: a soft texture looks blurred even in
focus, a contrasty one still looks sharp a little out of focus. Looks on both sides of focus
separate the two. How the contrast changes from look to look depends on the networks not at all,
and tells on which side of their middle focus lies.
"""

import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.neural import PatchBlur

_RESOLUTION = 0.25
"""Spacing of the positions, in half depths of field."""

# How a texture deceives: added to the square of the blur radius, pixels^2, and how often.
_DECEPTION = np.array([-2.2, -1.0, 0.0, 0.36, 1.44, 4.0])
_DECEPTION_PRIOR = np.array([0.03, 0.15, 0.6, 0.1, 0.08, 0.04])
# Share of the estimator's distribution that is believed: now and then it is plainly wrong.
_TRUST = 0.93
# From this radius on, pixels, a reading says only "at least so far".
_FAR = 52.0
# Some textures lose all they have to tell early: so often a larger blur is read as any radius
# between this one, pixels, and the true one.
_EARLY, _EARLY_SHARE = 20.0, 0.15
# The discriminator's answer is worth nothing so often, ...
_USELESS = 0.3
# ... is never surer than this, ...
_SUREST = 0.97
# ... holds to so many pixels of radius, and was trained with this share in focus.
_SOFTNESS, _SHARE_IN_FOCUS = 0.15, 0.35
# Up to this radius, pixels, a textured window shows something; how unlikely it is that it does not.
_REACH, _SILENT = 44.0, 0.1
# In natural pictures the contrast falls with the radius r as 1 / (1 + a r^b), by their textures to
# a power that differs by this share; up to this radius, pixels, noise does not matter.
_FALL, _POWER = 0.4, 1.9
_CONTRAST_SPREAD, _CONTRAST_NOISE, _CONTRAST_REACH = 0.3, 0.06, 6.0
# Beyond it only counts which contrast is higher, if they differ by this factor. That is wrong so
# often, and the law above so often says nothing.
_CONTRAST_FACTOR, _CONTRAST_ERROR = 1.08, 0.03
_LAWLESS = 0.15
# Range of the logarithms of ratios of contrasts of which no more is known.
_CONTRAST_RANGE = 3.0
# Keeps the logarithm of no contrast at all finite; far below that of any noise.
_CONTRAST_FLOOR = 1e-7
# Two readings differ if their radii do by so many pixels, and by this share of the radius.
_TOLD_APART, _TOLD_APART_SHARE = 0.6, 0.075
_MOST_CANDIDATES = 128


class WindowPosterior:
    """Probability over the focus positions of one window.

    Args:
        limits: range of positions that are possible, metres.
        gain: blur radius per metre of travel, pixels.
        depth_of_field: half of it, metres.
        expected: position and standard deviation, metres, where focus is believed to be.

    Attributes:
        positions: (n,) metres, ascending, from limit to limit.
    """

    def __init__(
        self,
        limits: tuple[float, float],
        gain: float,
        depth_of_field: float,
        expected: tuple[float, float] | None = None,
    ) -> None:
        low, high = limits
        count = max(2, int(np.ceil((high - low) / (_RESOLUTION * depth_of_field))) + 1)
        self.positions: NDArray[np.float64] = np.linspace(low, high, count)
        self._gain = gain
        self._depth_of_field = depth_of_field
        # Over whether the texture tells nothing early, how it deceives, and the position.
        prior = np.outer([1 - _EARLY_SHARE, _EARLY_SHARE], _DECEPTION_PRIOR)
        self._log = np.log(prior)[..., None] + np.zeros(count)
        if expected is not None:
            # Heavy tails: the scene may have changed altogether.
            self._log -= np.log1p(((self.positions - expected[0]) / expected[1]) ** 2)
        self._contrasts: list[tuple[float, float]] = []

    def look(self, position: float, blur: PatchBlur, contrast: float) -> None:
        """Take in one look at the window.

        Args:
            position: where the lens was, metres.
            blur: what the networks say.
            contrast: Tenengrad.
        """
        radius = np.abs(self.positions - position) * self._gain
        if np.isfinite(blur.radius):
            apparent = np.sqrt(np.maximum(radius**2 + _DECEPTION[:, None], 0.0))
            self._log += _of_estimator(blur, apparent) + _of_discriminator(blur, apparent)
        else:
            self._log += np.where(radius < _REACH, np.log(_SILENT), 0.0)
        contrast += _CONTRAST_FLOOR
        for other, earlier in self._contrasts:
            if abs(position - other) > 0.3 * self._depth_of_field:
                before = np.abs(self.positions - other) * self._gain
                self._log += _of_contrast(float(np.log(contrast / earlier)), radius, before)
        self._contrasts.append((position, contrast))
        self._log -= self._log.max()

    @property
    def probability(self) -> NDArray[np.float64]:
        """(n,) probability of each of `positions`; sums to 1."""
        probability = np.exp(self._log).sum(axis=(0, 1))
        return np.asarray(probability / probability.sum())

    def mass_within(self, distance: float) -> NDArray[np.float64]:
        """(n,) probability that focus lies within `distance` (metres) of each of `positions`."""
        reach = round(distance / float(self.positions[1] - self.positions[0]))
        total = np.concatenate([[0.0], np.cumsum(self.probability)])
        index = np.arange(len(self.positions))
        upper = np.minimum(index + reach + 1, len(index))
        return np.asarray(total[upper] - total[np.maximum(index - reach, 0)])

    def most_informative(self, looked: NDArray[np.float64], apart: float) -> float | None:
        """Position, metres, from which the next look is expected to tell most.

        What it tells is the entropy of what it could show; it may also show focus itself.

        Args:
            looked: positions of earlier looks, metres.
            apart: distance from them, metres, within which the same would show again.

        Returns:
            The position, or None where everything has been looked at.
        """
        stride = max(4, -(-len(self.positions) // _MOST_CANDIDATES))
        near = self.mass_within(self._depth_of_field)[::stride]
        candidates = self.positions[::stride]
        new = np.abs(candidates[:, None] - looked).min(axis=1) > apart
        if not new.any():
            return None
        candidates, near = candidates[new], near[new]
        probability = self.probability
        support = probability > 1e-5 * probability.max()
        radius = np.abs(candidates[:, None] - self.positions[support]) * self._gain
        scale = _TOLD_APART / _TOLD_APART_SHARE
        place = np.log1p(np.minimum(radius, _FAR) / scale) / np.log1p(_TOLD_APART / scale)
        reading = place.astype(np.intp)
        readings = int(reading.max()) + 1
        reading += np.arange(len(candidates))[:, None] * readings
        weights = np.broadcast_to(probability[support], reading.shape)
        shown = np.bincount(reading.ravel(), weights.ravel(), readings * len(candidates))
        shown = shown.reshape(len(candidates), readings)
        entropy = -(shown * np.log(np.maximum(shown, 1e-12))).sum(axis=1)
        return float(candidates[int((entropy + near).argmax())])


def _of_estimator(blur: PatchBlur, apparent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood of the estimator's answer where the blur looks like `apparent`, pixels.

    Returns:
        (2, *shape of `apparent`): for textures that tell all, and for those that lose it early.
    """
    shares = blur.probabilities.astype(np.float64)
    far = blur.radii >= _FAR
    shares = np.where(far, shares[far].mean() if far.any() else 0.0, shares)
    classes = np.arange(len(shares))
    place = np.interp(apparent, blur.radii, classes)
    seen = np.interp(place, classes, shares)
    first = int(np.searchsorted(blur.radii, _EARLY))
    total = np.concatenate([[0.0], np.cumsum(shares)])
    last = np.clip(np.rint(place).astype(np.intp), first, len(shares) - 1)
    early = (total[last + 1] - total[first]) / np.maximum(last + 1 - first, 1)
    answers = np.stack([seen, np.where(apparent >= _EARLY, early, seen)])
    return np.asarray(np.log(_TRUST * answers + (1 - _TRUST) / len(shares)))


def _of_discriminator(blur: PatchBlur, apparent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood of the discriminator's answer where the blur looks like `apparent`."""
    answer = min(max(blur.in_focus, 1 - _SUREST), _SUREST)
    within = 1 / (1 + np.exp(np.clip((apparent - 1.0) / _SOFTNESS, -30.0, 30.0)))
    ratio = within * answer / _SHARE_IN_FOCUS + (1 - within) * (1 - answer) / (1 - _SHARE_IN_FOCUS)
    return np.asarray(np.log(_USELESS + (1 - _USELESS) * ratio))


def _of_contrast(
    change: float, radius: NDArray[np.float64], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-likelihood of a change of contrast.

    Args:
        change: logarithm of the ratio of the contrasts, new to old.
        radius: (n,) blur radius, pixels, of the new look for each focus position.
        before: (n,) that of the old one.
    """
    order = np.full(radius.shape, 0.5)
    if abs(change) > np.log(_CONTRAST_FACTOR):
        right = (radius < before) == (change > 0)
        order = np.where(right, 1 - _CONTRAST_ERROR, _CONTRAST_ERROR)
    density = 2 * order / _CONTRAST_RANGE
    law = np.log1p(_FALL * before**_POWER) - np.log1p(_FALL * radius**_POWER)
    spread = np.hypot(_CONTRAST_NOISE, _CONTRAST_SPREAD * law)
    # Student's t with three degrees of freedom.
    lawful = 0.3676 / spread / (1 + ((change - law) / spread) ** 2 / 3) ** 2
    valid = np.maximum(radius, before) <= _CONTRAST_REACH
    mixed = _LAWLESS * density + (1 - _LAWLESS) * lawful
    return np.asarray(np.log(np.where(valid, mixed, density)))
