"""Making two images equally blurred, place by place.

Where the blur of two images differs, edges that lie in uneven blur are in different places, and a
registration that compares the images takes that for motion. So the sharper image of the two is
blurred as the other is, in each place by as much as makes the energies of their gradients equal:
energies hardly depend on the registration. Blur spreads from where light comes from, as that of a
lens does, not from where it arrives: their edges are not in the same places.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image

SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the Gaussian filters, pixels of the copies, between which is blended."""
_PREFILTER = 1.0
"""The same of the filter before any comparison: gradients of single pixels are noise."""
_BLOCKS = 12
"""Blocks along the longer side: a twelfth of an image holds some texture mostly, and 100 blocks
show how much their answers differ."""
_WINDOW = 0.7
"""Standard deviation of the windows over which blur is measured, blocks: single blocks hold too few
edges."""
_SHIFT = 0.2
"""Shift of what nearer things cover in part, as a share of the difference in blur: towards where
the distance changes, as rendered stacks of slanted and bulging scenes show."""
_LARGEST_GAIN = 16.0
"""By which one image may be brighter than the other."""

Blocks = NDArray[np.float64]
"""(rows, columns, ...), a value for each block of an image."""


def block_grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of blocks of an image (H, W), across and down."""
    longer = max(shape[:2])
    return (
        max(2, round(_BLOCKS * shape[1] / longer)),
        max(2, round(_BLOCKS * shape[0] / longer)),
    )


def block_means(image: Image, grid: tuple[int, int]) -> Blocks:
    """Mean of an image (h, w) in each block, (rows, columns)."""
    return np.asarray(cv2.resize(image, grid, interpolation=cv2.INTER_AREA), np.float64)


def gradient(image: Image) -> tuple[Image, Image]:
    """Derivatives of an image across and down, per pixel."""
    kernel = np.array([[-0.5, 0.0, 0.5]], np.float32)
    across, down = (
        cv2.filter2D(image, -1, each, borderType=cv2.BORDER_REFLECT_101)
        for each in (kernel, np.ascontiguousarray(kernel.T))
    )
    return np.asarray(across), np.asarray(down)


@dataclass(frozen=True)
class BlurredCopy:
    """A copy of an image, and how its gradients lose energy when it is blurred.

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
    def of(cls, image: Image, largest_sigma: float = SIGMAS[-1]) -> "BlurredCopy":
        """Measure an image (h, w).

        Args:
            image: the image.
            largest_sigma: differences in blur that are larger are not made equal.
        """
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), _PREFILTER))
        sigmas = tuple(sigma for sigma in SIGMAS if sigma <= largest_sigma)
        grid, energies = block_grid(image.shape), []
        for sigma in sigmas:
            across, down = gradient(_gaussian(image, sigma))
            means = block_means(across * across + down * down, grid)
            energies.append(cv2.GaussianBlur(means, (0, 0), _WINDOW))
        return cls(image, float(image.mean()), np.asarray(energies), sigmas)

    def variance_down_to(self, energies: Blocks) -> Blocks:
        """Variance of the Gaussian filter that leaves so much energy in each block; at most all."""
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
        """Blur the image by a filter whose variance differs from block to block."""
        if variance.max() < 0.05:
            return self.image
        size = self.image.shape[::-1]
        field = cv2.resize(variance.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        place = np.interp(field, np.square(self.sigmas), np.arange(len(self.sigmas)))
        light, weight = np.zeros_like(self.image), np.zeros_like(self.image)
        for index, sigma in enumerate(self.sigmas):
            share = np.maximum(1 - np.abs(place - index), 0).astype(np.float32)
            if share.any():
                light += _gaussian(share * self.image, sigma)
                weight += _gaussian(share, sigma)
        return np.asarray(light / np.maximum(weight, 1e-3))


def equally_blurred(
    first: BlurredCopy, second: BlurredCopy
) -> tuple[Image, Image, NDArray[np.bool_], Blocks]:
    """Blur the sharper one of two images in each place.

    Returns:
        Both images (h, w), the second one as bright as the first on the whole; (rows, columns), the
        blocks in which they are equally blurred now; and (rows, columns, 2), by how much the
        difference in blur may have shifted what they show, (x, y), pixels.
    """
    gain = 1.0
    if second.mean > 0:
        gain = float(np.clip(first.mean / second.mean, 1 / _LARGEST_GAIN, _LARGEST_GAIN))
    one = first.variance_down_to(second.energies[0] * gain**2)
    other = second.variance_down_to(first.energies[0] / gain**2)
    largest = 0.99 * first.sigmas[-1] ** 2
    # Towards the side where the second image is the sharper one.
    across, down = np.gradient(cv2.GaussianBlur(other - one, (0, 0), 1.0))[::-1]
    shift = _SHIFT * np.sqrt(np.abs(one - other)) / np.maximum(np.hypot(across, down), 1e-9)
    shift *= np.where(one > other, -1.0, 1.0)
    return (
        first.blurred_by(one),
        second.blurred_by(other) * np.float32(gain),
        (one < largest) & (other < largest),
        np.stack([shift * across, shift * down], axis=-1),
    )


def _gaussian(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)) if sigma else image
