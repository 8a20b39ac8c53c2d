"""Blur equalization: blurring one of two images until both are equally blurred.

Images of one scene at different lens positions can only be compared where they are equally blurred.
Which of them is the sharper one differs from place to place, and is found in one of two ways:

- `blur_candidates` blurs each image in turn by several amounts, and the pair that agrees best is
  used, for each pixel or for the image as a whole. It needs images that are registered already.
- `equalize_blur` computes the amount in each block from the energies of the gradients, which hardly
  depend on the registration: it is used while the motion between slices is still unknown.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blocks import Blocks, block_grid, block_means, gradient
from aif_ros.types.image import Image

SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the Gaussian filters between which is blended, pixels."""


@dataclass(frozen=True)
class EqualizationSettings:
    """Settings of `equalize_blur`.

    Chosen by hand on rendered stacks of slanted and bulging scenes with and without motion, as in
    `test/fusion/motion/test_stack_registration.py`.

    Attributes:
        prefilter: standard deviation of the Gaussian filter before any comparison, pixels:
            gradients of single pixels are noise.
        window: standard deviation of the windows over which blur is measured, blocks: single blocks
            hold too few edges.
        occlusion_shift: displacement of what nearer things cover in part, as a share of the
            difference in blur; towards where the distance changes.
        largest_gain: by which one image may be brighter than the other.
        negligible: largest variance of a filter that is left out, square pixels.
    """

    prefilter: float = 1.0
    window: float = 0.7
    occlusion_shift: float = 0.2
    largest_gain: float = 16.0
    negligible: float = 0.05


_SETTINGS = EqualizationSettings()

Amount = TypeVar("Amount", bound=Hashable)
Plane = TypeVar("Plane")


class BlurSeries(Generic[Amount, Plane]):
    """An image and versions of it that are blurred further; each is computed once.

    Args:
        image: the image.
        blur: returns it blurred by an amount.
    """

    def __init__(self, image: Plane, blur: Callable[[Amount], Plane]) -> None:
        self.image = image
        self._blur = blur
        self._versions: dict[Amount, Plane] = {}

    def blurred(self, amount: Amount) -> Plane:
        """Return the image blurred by an amount."""
        if amount not in self._versions:
            self._versions[amount] = self._blur(amount)
        return self._versions[amount]


def blur_candidates(
    first: BlurSeries[Amount, Plane], second: BlurSeries[Amount, Plane], amounts: Iterable[Amount]
) -> Iterator[tuple[Plane, Plane]]:
    """Blur either one of two images by each amount in turn.

    Yields:
        The first image blurred and the second as it is; then the other way round.
    """
    for amount in amounts:
        yield first.blurred(amount), second.image
        yield first.image, second.blurred(amount)


def box_blur(image: NDArray[np.generic], *sides: int) -> NDArray[np.generic]:
    """Blur an image by boxes of these sides, pixels, one after the other.

    A box has a border, as the disk of a lens has. A second box of 3 pixels rounds its corners.
    """
    for side in sides:
        image = np.asarray(cv2.blur(image, (side, side)))
    return image


@dataclass(frozen=True)
class BlurMeasurement:
    """An image, and the energy of its gradients at each further blur.

    Attributes:
        image: (h, w).
        mean: of the image.
        energies: (len(sigmas), rows, columns), mean squared gradient in each block.
        sigmas: of the filters, pixels, ascending, from 0 on.
    """

    image: Image
    mean: float
    energies: Blocks
    sigmas: tuple[float, ...]

    @classmethod
    def of(cls, image: Image, largest_sigma: float = SIGMAS[-1]) -> "BlurMeasurement":
        """Measure an image (h, w).

        Args:
            image: the image.
            largest_sigma: differences in blur that are larger are not equalized.
        """
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), _SETTINGS.prefilter))
        sigmas = tuple(sigma for sigma in SIGMAS if sigma <= largest_sigma)
        grid, energies = block_grid(image.shape), []
        for sigma in sigmas:
            across, down = gradient(_gaussian(image, sigma))
            means = block_means(across * across + down * down, grid)
            energies.append(cv2.GaussianBlur(means, (0, 0), _SETTINGS.window))
        return cls(image, float(image.mean()), np.asarray(energies), sigmas)

    def variance_for(self, energies: Blocks) -> Blocks:
        """Variance of the Gaussian filter that leaves these energies; that of `sigmas` at most."""
        least = 1e-12 * max(float(self.energies.max()), 1e-30)
        own, wanted = np.log(self.energies + least), np.log(energies + least)
        sigma = np.full(wanted.shape, self.sigmas[-1])
        for index in reversed(range(len(self.sigmas) - 1)):
            more, less = own[index], own[index + 1]
            share = np.clip((more - wanted) / np.maximum(more - less, 1e-6), 0.0, 1.0)
            low, high = self.sigmas[index : index + 2]
            sigma = np.where(wanted >= less, low + share * (high - low), sigma)
        return np.asarray(sigma * sigma)

    def blurred_by(self, variance: Blocks) -> Image:
        """Blur the image by a filter whose variance differs from block to block.

        Blur spreads from where light comes from, as that of a lens, not from where it arrives:
        edges that lie in uneven blur would be displaced.
        """
        if variance.max() < _SETTINGS.negligible:
            return self.image
        size = self.image.shape[::-1]
        field = cv2.resize(variance.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        level = np.interp(field, np.square(self.sigmas), np.arange(len(self.sigmas)))
        light, weight = np.zeros_like(self.image), np.zeros_like(self.image)
        for index, sigma in enumerate(self.sigmas):
            share = np.maximum(1 - np.abs(level - index), 0).astype(np.float32)
            if share.any():
                light += _gaussian(share * self.image, sigma)
                weight += _gaussian(share, sigma)
        return np.asarray(light / np.maximum(weight, 1e-3))


class EqualizedPair(NamedTuple):
    """Two images, of which the sharper one in each place has been blurred.

    Attributes:
        first: (h, w).
        second: (h, w), as bright as the first on the whole.
        equalized: (rows, columns), the blocks in which they are equally blurred.
        shifts: (rows, columns, 2), by how much the difference in blur may have displaced what they
            show, (x, y), pixels.
    """

    first: Image
    second: Image
    equalized: NDArray[np.bool_]
    shifts: Blocks


def equalize_blur(first: BlurMeasurement, second: BlurMeasurement) -> EqualizedPair:
    """Blur the sharper one of two images in each block until its gradients have the same energy."""
    gain, largest_gain = 1.0, _SETTINGS.largest_gain
    if second.mean > 0:
        gain = float(np.clip(first.mean / second.mean, 1 / largest_gain, largest_gain))
    one = first.variance_for(second.energies[0] * gain**2)
    other = second.variance_for(first.energies[0] / gain**2)
    largest = 0.99 * first.sigmas[-1] ** 2
    # Towards the side where the second image is the sharper one.
    across, down = np.gradient(cv2.GaussianBlur(other - one, (0, 0), 1.0))[::-1]
    shift = _SETTINGS.occlusion_shift * np.sqrt(np.abs(one - other))
    shift /= np.maximum(np.hypot(across, down), 1e-9)
    shift *= np.where(one > other, -1.0, 1.0)
    return EqualizedPair(
        first.blurred_by(one),
        second.blurred_by(other) * np.float32(gain),
        (one < largest) & (other < largest),
        np.stack([shift * across, shift * down], axis=-1),
    )


def _gaussian(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)) if sigma else image
