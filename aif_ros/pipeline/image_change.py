"""Detects, in the images, a lens that does not move as it reports.

Cameras smooth, sharpen and compress, so the noise of an image looks like detail and its statistics
are not known. What is known: the noise of different images is independent. Of four images, the
differences a - b and c - d therefore have nothing in common if the lens has not moved, whatever the
noise; the sum of their product estimates how much the scene itself has changed, free of noise. It
is compared with the change that the calibration predicts for a scene at each focus position.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.direction_watch import DirectionWatch
from aif_ros.pipeline.image_spectra import (
    FREQUENCIES,
    OVERLAP,
    TILES,
    ImageSpectra,
    differ_in_sharpness,
    shared_power,
)
from aif_ros.types.frame import Frame

VISIBLE = 6.0
"""Travel after which an image must have changed if it shows anything, half depths of focus."""
STUCK = (
    "the lens reports motion, but the image does not change: see that its motor turns the focus "
    "ring and that this camera looks through this lens"
)
"""Fault of such a lens, for people."""
STUCK_RECORDED = (
    "the slices differ by noise only, so that none is known to be sharper: are they copies of one "
    "image, or dithered to a few grey levels?"
)
"""The same of the slices of a recorded stack, which no motor has to do with."""
DOUBT = (
    "the images show no change with the lens position: {} are too few, or show too little, to say "
    "whether the lens moves"
)
"""Doubt where the images leave that open, for people; formatted with their number."""
DOUBT_RECORDED = (
    "the slices that were used show no difference in sharpness, so that none is known to be sharper"
)
"""The same of the slices of a recorded stack."""


@dataclass(frozen=True)
class _Rule:
    """Constants chosen together on 260 rendered scenes with cameras drawn by `SensorModel.draw`.

    Attributes:
        least: images to judge by.
        most: images that are kept.
        deviations: standard deviations added to, or taken from, a measured change.
        pattern: power of the fixed pattern of a sensor after demosaicing, over that in the
            upper rings, which hold many coefficients.
        missing: share of the predicted change below which a lens counts as stuck.
        changed: share above which it has moved.
        visible: share of the shared power in one ring whose change shows motion whatever the
            calibration says: it may be of another lens. A shift by 0.2 px changes less.
        weak: least mean share of power that a prediction must leave in the images.
        foci: fewest and most focus positions of the scene that are tried, over the travel of the
            lens; a pixel of blur apart where these allow it.
        covered: tiles that something in front of the image, such as a printed time, may cover.
    """

    least: int = 4
    most: int = 6
    deviations: float = 3.0
    pattern: float = 4.0
    missing: float = 0.1
    changed: float = 0.3
    visible: float = 0.2
    weak: float = 0.05
    foci: tuple[int, int] = (41, 161)
    covered: int = 3


_RULE = _Rule()
_SURE = 5.0
"""Standard deviations of a change in one ring that are no noise, in the largest of 450."""
_APART = 2.0
"""Travel in half depths of focus within which it does not matter whether the lens moves."""


class ImageChange:
    """Judges whether the images change with the lens position.

    It takes four images or more, at three positions or more: at two positions on either side of
    its focus, a flat object looks the same. Two images at one position serve as well as two close
    to each other.

    Args:
        lens_model: of the lens.
        recorded: whether the images are the slices of a recorded stack, as `fault` and `doubt`
            then say.
    """

    def __init__(self, lens_model: LensModel, *, recorded: bool = False) -> None:
        self._lens_model = lens_model
        self._recorded = recorded
        self._images: list[tuple[float, ImageSpectra]] = []
        self._width = 0
        self._count = 0
        self._changed = self._differ = False
        self.missing = False
        """Whether images were taken far from each other, and none differs as it should."""

    def add(self, position: float, image: NDArray[np.generic], image_width: int) -> None:
        """Add an image.

        Args:
            position: where it was captured, metres.
            image: (H, W) or (H, W, 3): the image of the camera or a part of it.
            image_width: of the camera's image, pixels.
        """
        if self._changed:
            return
        spectra = ImageSpectra(image)
        if self._images and self._images[0][1].shape != spectra.shape:
            self._images = []
            self._count = 0
        self._width = image_width
        self._images.append((position, spectra))
        self._count += 1
        if len(self._images) > _RULE.most:
            del self._images[self._most_redundant()]
        self._judge()

    @property
    def undecided(self) -> bool:
        """Whether more images may decide."""
        return not (self._changed or self.missing)

    @property
    def fault(self) -> str:
        """That the images do not change, for people; empty: they do, or it is undecided."""
        if not self.missing:
            return ""
        return STUCK_RECORDED if self._recorded else STUCK

    @property
    def doubt(self) -> str:
        """Why it is left open whether the lens moves, for people; empty: it is not."""
        positions = [position for position, _ in self._images]
        if self._differ or not self.undecided or len(positions) < 2:
            return ""
        near = _APART * self._lens_model.half_depth_of_focus(self._width)
        if np.ptp(positions) <= near:
            return ""
        return DOUBT_RECORDED if self._recorded else DOUBT.format(self._count)

    @property
    def visible_travel(self) -> float:
        """Travel after which an image must have changed, metres; needs at least one image."""
        return VISIBLE * self._lens_model.half_depth_of_focus(self._width)

    def _most_redundant(self) -> int:
        """Index of the image whose position is nearest to that of another one."""
        positions = np.array([position for position, _ in self._images])
        distance = np.abs(positions[:, None] - positions)
        np.fill_diagonal(distance, np.inf)
        return int(np.argmin(distance.min(axis=1)))

    def _judge(self) -> None:
        positions = np.array([position for position, _ in self._images])
        images = [image for _, image in self._images]
        power = shared_power(images)
        self._differ = self._differ or differ_in_sharpness(images, power)
        if len(images) < _RULE.least:
            return
        change = _Change(positions, images, self._lens_model, self._width)
        everywhere = change.measure(power)
        rest = change.measure(np.delete(power, _strongest_tiles(power), axis=0))
        self._changed = everywhere.largest > _RULE.changed
        # A time that the camera prints on the image never changes.
        far = np.ptp(positions) > self.visible_travel
        unmoved = everywhere.smallest < _RULE.missing and rest.largest < _RULE.changed
        unmoved = unmoved and max(everywhere.visible, rest.visible) < _RULE.visible
        self.missing = bool(far and unmoved and not self._changed)


@dataclass(frozen=True)
class _Measured:
    """Measured change as a share of the predicted one.

    Attributes:
        smallest: upper confidence limit, for the focus position for which it is highest.
        largest: lower confidence limit, for the focus position for which it is highest.
        visible: lower confidence limit of the change as a share of what the images share, in the
            ring in which it is highest; the calibration does not matter.
    """

    smallest: float
    largest: float
    visible: float


class _Change:
    """Compares images with what the calibration predicts.

    Args:
        positions: (N,) lens position of each image, metres.
        images: N of equal shape.
        lens_model: of the lens.
        image_width: of the camera's image, pixels.
    """

    def __init__(
        self,
        positions: NDArray[np.float64],
        images: Sequence[ImageSpectra],
        lens_model: LensModel,
        image_width: int,
    ) -> None:
        self._count = len(images)
        self._coefficients = np.array([ring.shape[1] for ring in images[0].rings])
        self._rounding = max(image.rounding for image in images)
        gain = lens_model.blur_gain(image_width) * images[0].scale
        low, high = lens_model.limits
        self._foci = int(np.clip((high - low) * gain, *_RULE.foci))
        step = (high - low) / (self._foci - 1)
        foci = np.linspace(low - step, high + step, self._foci + 2)
        # A disk of radius r has the variance r^2 / 4 along each direction; its transfer function is
        # close to a Gaussian one where it is not small.
        variance = (gain * (positions[:, None] - foci)) ** 2 / 4
        exponent = -2 * np.pi**2 * FREQUENCIES[:, None, None] ** 2
        self._log_transfer = exponent * variance  # (rings, N, foci)

    def measure(self, power: NDArray[np.float64]) -> _Measured:
        """Return the change in tiles.

        Args:
            power: (tiles, rings, N, N) of `shared_power`.
        """
        coefficients = np.maximum(len(power) * self._coefficients, 1)
        mean = power.sum(axis=0) / coefficients[:, None, None]
        smallest = np.full(self._foci, np.inf)
        best = np.zeros(self._foci)
        largest = np.full(self._foci, -np.inf)
        visible = 0.0
        for a, b, c, d in _pairs_of_pairs(self._count):
            change = mean[:, a, c] - mean[:, a, d] - mean[:, b, c] + mean[:, b, d]
            noise = self._power_of(mean, a, b) * self._power_of(mean, c, d)
            variance = (OVERLAP * 0.5 * noise / coefficients)[:, None]
            scene = self._scene(mean, coefficients, (a, b, c, d))
            certain = np.abs(change) - _SURE * np.sqrt(variance[:, 0])
            shares = np.divide(certain, scene, out=np.zeros_like(scene), where=scene > 0)
            visible = max(visible, float(shares.max()))
            predicted = scene[:, None] * self._seen((a, b, c, d))
            information = (predicted**2 / variance).sum(axis=0)
            share = (predicted * change[:, None] / variance).sum(axis=0)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(information > 0, share / information, 0.0)
                margin = _RULE.deviations / np.sqrt(information)
            smallest = np.minimum(smallest, np.abs(share) + margin)
            # One test for each focus position: the largest of many would be noise.
            largest = np.where(information > best, share - margin, largest)
            best = np.maximum(best, information)
        return _Measured(float(smallest.max()), float(largest.max()), visible)

    def _power_of(self, mean: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
        """Power of the difference of two images in each ring."""
        return mean[:, a, a] + mean[:, b, b] - 2 * mean[:, a, b] + 2 * self._rounding

    def _scene(
        self,
        mean: NDArray[np.float64],
        coefficients: NDArray[np.int64],
        four: tuple[int, int, int, int],
    ) -> NDArray[np.float64]:
        """Power of the scene in each ring, through the lens at four positions."""
        # The images also share the fixed pattern of the sensor, which no lens blurs and which has
        # all frequencies.
        shared = np.mean([mean[:, i, j] for i, j in combinations(four, 2)], axis=0)
        least = shared[len(shared) // 2 :].min()
        pattern = least * (_RULE.pattern + _RULE.deviations * np.sqrt(OVERLAP / coefficients))
        return np.asarray(np.maximum(shared - np.maximum(pattern, 0), 0))

    def _seen(self, four: tuple[int, int, int, int]) -> NDArray[np.float64]:
        """Share of that power in (a - b)(c - d) if the lens moves, (rings, foci)."""
        log = self._log_transfer[:, four]
        transfer = np.exp(log - log.max(axis=1, keepdims=True))
        pairs = combinations(range(4), 2)
        through = np.mean([transfer[:, i] * transfer[:, j] for i, j in pairs], axis=0)
        first = _least_of_neighbours(transfer[:, 0] - transfer[:, 1])
        second = _least_of_neighbours(transfer[:, 2] - transfer[:, 3])
        return np.asarray(first * second / np.maximum(through[:, 1:-1], _RULE.weak))


def _least_of_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each three neighbours along the last axis, the one nearest to 0; 0 if their signs differ.

    Where a scene looks the same from both positions, the predicted change passes 0.
    """
    three = np.stack([values[..., :-2], values[..., 1:-1], values[..., 2:]])
    low, high = three.min(axis=0), three.max(axis=0)
    return np.asarray(np.where(low > 0, low, np.where(high < 0, high, 0.0)))


def _pairs_of_pairs(count: int) -> Iterator[tuple[int, int, int, int]]:
    for a, b, c, d in combinations(range(count), 4):
        yield from ((a, b, c, d), (a, c, b, d), (a, d, b, c))


def _strongest_tiles(power: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the tiles in which the images share most detail."""
    count = power.shape[2]
    shared = power.sum(axis=(2, 3)) - np.trace(power, axis1=2, axis2=3)
    detail = (shared / max(count * (count - 1), 1)) @ FREQUENCIES**2
    return np.argsort(detail)[TILES**2 - _RULE.covered :]


class ImageWatch:
    """Finds, in the frames of a loop, a lens that does not move, or moves the other way.

    Args:
        lens_model: of the lens.
        recorded: see `ImageChange`.
    """

    def __init__(self, lens_model: LensModel, *, recorded: bool = False) -> None:
        self._change = ImageChange(lens_model, recorded=recorded)
        self._direction = DirectionWatch(lens_model)

    def add(self, frame: Frame, *, dynamic: bool) -> None:
        """Add a frame.

        Args:
            frame: captured with the lens at rest.
            dynamic: whether camera or scene may move: a camera that comes closer also makes the
                image grow.
        """
        if not dynamic:
            self._direction.add(frame)
        self._change.add(frame.position, frame.image, frame.size[0])

    @property
    def fault(self) -> str:
        """Why the loop must not count as complete, for people; empty: no reason."""
        return self._change.fault or self._direction.fault

    @property
    def doubt(self) -> str:
        """See `ImageChange.doubt`."""
        return self._change.doubt
