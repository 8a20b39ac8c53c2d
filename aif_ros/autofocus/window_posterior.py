"""Posterior over the focus position of one window, from estimator and contrast.

An image gives a blur radius but not the side of focus, and its error is the same each time for the
same texture. The posterior is therefore joint over the focus position and the bias of the texture:
a smooth texture reads as blurred even in focus, one of high contrast as sharp slightly out of
focus. Images on both sides of focus separate the two. The change of contrast between two
images does not depend on the network, and shows on which side of their middle focus lies. Both
are weighted by their measured reliability (`Reliability`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.patch_blur import PatchBlur

Array = NDArray[np.float64]

_RESOLUTION = 0.25
"""Spacing of the positions, in half depths of focus."""
_MOST_CANDIDATES = 128
"""Largest number of positions compared for the next image; computing time is proportional."""
_CONTRAST_FLOOR = 1e-10
"""Added to contrasts so that their logarithm is finite; far below the contrast of any noise."""


@dataclass(frozen=True)
class Reliability:
    """Reliability of each source of evidence, chosen with `benchmark autofocus`.

    Attributes:
        texture_bias: what textures add to the square of the blur radius, pixels^2; ...
        texture_shares: ... probability of each.
        estimator: weight of the estimator's distribution; the rest is uniform.
        far: radius, pixels, from which on a reading is a lower bound only.
        saturation_radius: of some textures a larger blur is read as any radius between this one,
            pixels, and the true one; ...
        saturation_share: ... probability of such textures.
        max_readable: radius, pixels, up to which a textured window gives a reading; ...
        no_reading: ... probability that it does not.
        contrast_fall: a in the model 1 / (1 + a r^b) of contrast at the blur radius r, pixels; ...
        contrast_power: ... b in it; ...
        contrast_spread: ... standard deviation of textures from it, relative to the change of the
            logarithm; ...
        contrast_noise: ... standard deviation of the logarithm of contrast by noise; ...
        contrast_radius: ... radius, pixels, up to which it holds.
        contrast_factor: beyond that, only the order of two contrasts is used, if they differ by
            this factor; ...
        contrast_error: ... probability that it is wrong.
        contrast_outliers: probability that the model does not hold.
        contrast_range: range of the logarithms of ratios of contrast where it does not.
        distinct: smallest difference of two readings that is distinguishable, pixels, ...
        distinct_share: ... and as a share of the radius.
    """

    texture_bias: tuple[float, ...] = (-2.2, -1.0, 0.0, 0.36, 1.44, 4.0)
    texture_shares: tuple[float, ...] = (0.03, 0.15, 0.6, 0.1, 0.08, 0.04)
    estimator: float = 0.93
    far: float = 52.0
    saturation_radius: float = 20.0
    saturation_share: float = 0.15
    max_readable: float = 44.0
    no_reading: float = 0.1
    contrast_fall: float = 0.4
    contrast_power: float = 1.9
    contrast_spread: float = 0.3
    contrast_noise: float = 0.06
    contrast_radius: float = 6.0
    contrast_factor: float = 1.08
    contrast_error: float = 0.03
    contrast_outliers: float = 0.15
    contrast_range: float = 3.0
    distinct: float = 0.6
    distinct_share: float = 0.075


RELIABILITY = Reliability()


class WindowPosterior:
    """Probability over the focus positions of one window.

    Args:
        limits: range of positions that are possible, metres.
        gain: blur radius per metre of travel, pixels.
        half_depth_of_focus: see `LensModel`, metres.
        expected: expected focus position and its standard deviation, metres.
        reading: expected reading of the estimator, pixels, at given blur radii, pixels (the reading
            curve of the lens); default: identity.
        reliability: of the evidence.

    Attributes:
        positions: (n,) metres, ascending, from limit to limit.
    """

    def __init__(
        self,
        limits: tuple[float, float],
        gain: float,
        half_depth_of_focus: float,
        expected: tuple[float, float] | None = None,
        reading: Callable[[Array], Array] = lambda radius: radius,
        reliability: Reliability = RELIABILITY,
    ) -> None:
        low, high = limits
        count = max(2, int(np.ceil((high - low) / (_RESOLUTION * half_depth_of_focus))) + 1)
        self.positions: Array = np.linspace(low, high, count)
        self._gain = gain
        self._half_depth_of_focus = half_depth_of_focus
        self._reading = reading
        self._model = reliability
        # Axes: whether the reading saturates, its bias, the position.
        saturates = reliability.saturation_share
        prior = np.outer([1 - saturates, saturates], reliability.texture_shares)
        self._log = np.log(prior)[..., None] + np.zeros(count)
        if expected is not None:
            # Heavy tails: the scene may have changed.
            self._log -= np.log1p(((self.positions - expected[0]) / expected[1]) ** 2)
        self._imaged: list[float] = []

    def update(self, position: float, blur: PatchBlur, contrasts: Array) -> None:
        """Multiply by the likelihood of one image of the window.

        Args:
            position: of the lens, metres.
            blur: reading of the network; a NaN radius: no reading.
            contrasts: (n,) comparable contrasts of all n images so far, this one last.
        """
        model = self._model
        radius = np.abs(self.positions - position) * self._gain
        if np.isfinite(blur.radius):
            bias = np.array(model.texture_bias)[:, None]
            apparent = np.sqrt(np.maximum(self._reading(radius) ** 2 + bias, 0.0))
            self._log += _of_estimator(blur, apparent, model)
        else:
            self._log += np.where(radius < model.max_readable, np.log(model.no_reading), 0.0)
        logs = np.log(np.asarray(contrasts) + _CONTRAST_FLOOR)
        for other, earlier in zip(self._imaged, logs, strict=False):
            if abs(position - other) > 0.3 * self._half_depth_of_focus:
                before = np.abs(self.positions - other) * self._gain
                self._log += _of_contrast(float(logs[-1] - earlier), radius, before, model)
        self._imaged.append(position)
        self._log -= self._log.max()

    @property
    def probability(self) -> Array:
        """(n,) probability of each of `positions`; sums to 1."""
        probability = np.exp(self._log).sum(axis=(0, 1))
        return np.asarray(probability / probability.sum())

    def mass_within(self, distance: float) -> Array:
        """(n,) probability that focus lies within `distance` (metres) of each of `positions`."""
        reach = round(distance / float(self.positions[1] - self.positions[0]))
        total = np.concatenate([[0.0], np.cumsum(self.probability)])
        index = np.arange(len(self.positions))
        upper = np.minimum(index + reach + 1, len(index))
        return np.asarray(total[upper] - total[np.maximum(index - reach, 0)])

    def most_informative(self, positions: Array, spacing: float) -> float | None:
        """Position, metres, of the image with the highest expected information.

        Its information is the entropy of its reading, plus the probability that it is in focus.

        Args:
            positions: those of the earlier images, metres.
            spacing: distance from them, metres, within which an image gives nothing new.

        Returns:
            The position, or None where there is an image at every position.
        """
        model = self._model
        stride = max(4, -(-len(self.positions) // _MOST_CANDIDATES))
        near = self.mass_within(self._half_depth_of_focus)[::stride]
        candidates = self.positions[::stride]
        new = np.abs(candidates[:, None] - positions).min(axis=1) > spacing
        if not new.any():
            return None
        candidates, near = candidates[new], near[new]
        probability = self.probability
        support = probability > 1e-5 * probability.max()
        radius = np.abs(candidates[:, None] - self.positions[support]) * self._gain
        scale = model.distinct / model.distinct_share
        place = np.log1p(np.minimum(radius, model.far) / scale)
        reading = (place / np.log1p(model.distinct / scale)).astype(np.intp)
        readings = int(reading.max()) + 1
        reading += np.arange(len(candidates))[:, None] * readings
        weights = np.broadcast_to(probability[support], reading.shape)
        share = np.bincount(reading.ravel(), weights.ravel(), readings * len(candidates))
        share = share.reshape(len(candidates), readings)
        entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1)
        return float(candidates[int((entropy + near).argmax())])


def _of_estimator(blur: PatchBlur, apparent: Array, model: Reliability) -> Array:
    """Log-likelihood of the estimator's distribution, given the apparent blur radius, pixels.

    Returns:
        (2, *shape of `apparent`): for textures whose readings do not saturate, and those whose do.
    """
    shares = blur.probabilities.astype(np.float64)
    far = blur.radii >= model.far
    shares = np.where(far, shares[far].mean() if far.any() else 0.0, shares)
    classes = np.arange(len(shares))
    place = np.interp(apparent, blur.radii, classes)
    unsaturated = np.interp(place, classes, shares)
    first = int(np.searchsorted(blur.radii, model.saturation_radius))
    total = np.concatenate([[0.0], np.cumsum(shares)])
    last = np.clip(np.rint(place).astype(np.intp), first, len(shares) - 1)
    saturated = (total[last + 1] - total[first]) / np.maximum(last + 1 - first, 1)
    likelihood = np.stack(
        [unsaturated, np.where(apparent >= model.saturation_radius, saturated, unsaturated)]
    )
    return np.asarray(np.log(model.estimator * likelihood + (1 - model.estimator) / len(shares)))


def _of_contrast(change: float, radius: Array, before: Array, model: Reliability) -> Array:
    """Log-likelihood of a change of contrast.

    Args:
        change: logarithm of the ratio of the contrasts, new to old.
        radius: (n,) blur radius, pixels, of the new image for each focus position.
        before: (n,) that of the old one.
        model: of the contrast.
    """
    order = np.full(radius.shape, 0.5)
    if abs(change) > np.log(model.contrast_factor):
        right = (radius < before) == (change > 0)
        order = np.where(right, 1 - model.contrast_error, model.contrast_error)
    density = 2 * order / model.contrast_range
    fall, power = model.contrast_fall, model.contrast_power
    expected = np.log1p(fall * before**power) - np.log1p(fall * radius**power)
    spread = np.hypot(model.contrast_noise, model.contrast_spread * expected)
    # Student's t with three degrees of freedom.
    modelled = 0.3676 / spread / (1 + ((change - expected) / spread) ** 2 / 3) ** 2
    valid = np.maximum(radius, before) <= model.contrast_radius
    mixed = model.contrast_outliers * density + (1 - model.contrast_outliers) * modelled
    return np.asarray(np.log(np.where(valid, mixed, density)))
