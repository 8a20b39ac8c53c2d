"""Setting up the normal equations of the motion between two images, block by block.

In each block, the difference of two images of nearly the same place and blur is linear in what may
differ: the shift, the blur (Laplacian), the contrast and the brightness. Least squares give the
shift of the block, and how well its texture determines it; what blur, contrast and brightness
explain as well is eliminated (cf. Lucas & Kanade, "An Iterative Image Registration Technique",
IJCAI 1981).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.block_equations import BlockEquations
from aif_ros.fusion.motion.blocks import block_grid, block_means, gradient
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.motion_parameters import block_jacobians
from aif_ros.types.image import Image


@dataclass(frozen=True)
class LinearizationSettings:
    """Settings of the equations of a block, chosen by hand with `BlockSettings`.

    Attributes:
        border: side of the square by which areas without data are enlarged, pixels: gradients reach
            across borders.
        least_share: of a block that must hold data.
        correlated: pixels of the smoothed images that vary as one.
        variance_floor: share of the median unexplained variance that is added to that of each
            block: none is perfect.
    """

    border: int = 5
    least_share: float = 0.5
    correlated: float = 12.0
    variance_floor: float = 0.1


_SETTINGS = LinearizationSettings()


@dataclass(frozen=True)
class ImagePair:
    """Two downscaled images, equally blurred.

    Attributes:
        first: (h, w).
        second: of the same shape.
        valid: (h, w) uint8 each, 0 where they hold no data.
        equalized: (n,) bool, the blocks in which they are equally blurred.
        blur_shifts: (n, 2), by how much their difference in blur may have displaced what they show,
            pixels of these images.
    """

    first: Image
    second: Image
    valid: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    equalized: NDArray[np.bool_]
    blur_shifts: NDArray[np.float64]


def block_equations(
    pairs: Sequence[ImagePair], transform: Transform, shape: tuple[int, ...]
) -> BlockEquations:
    """Set up the normal equations of two images about a transform.

    Args:
        pairs: both images, downscaled to several sizes.
        transform: from the coordinates of the first image to those of the second one.
        shape: (H, W, ...) of the images.

    Returns:
        The equations of the motion that the transform is to be followed by.
    """
    jacobians = block_jacobians(shape)
    information, vector = np.zeros((len(jacobians), 2, 2)), np.zeros((len(jacobians), 2))
    for each in pairs:
        scale = scaling(shape, each.first.shape)
        moved = scale @ transform @ np.linalg.inv(scale)
        own_information, own_vector = _linearized(each, moved)
        information += own_information * scale[0, 0] ** 2
        vector += own_vector * scale[0, 0]
    blur_bias = np.zeros_like(vector)
    if pairs:
        # The smallest images show differences in blur in most places.
        shifts = pairs[0].blur_shifts * max(shape[:2]) / max(pairs[0].first.shape)
        blur_bias = np.einsum("nij,nj->ni", information, shifts)
    return BlockEquations(jacobians, information, vector, blur_bias)


def _linearized(
    pair: ImagePair, transform: Transform
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Information (n, 2, 2) and its vector (n, 2) of each block, in pixels of these images."""
    first, size, flags = pair.first, pair.first.shape[::-1], cv2.WARP_INVERSE_MAP
    second = cv2.warpAffine(
        pair.second,
        transform[:2],
        size,
        flags=cv2.INTER_CUBIC | flags,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    valid = cv2.warpAffine(pair.valid[1], transform[:2], size, flags=cv2.INTER_NEAREST | flags)
    border = np.ones((_SETTINGS.border, _SETTINGS.border), np.uint8)
    valid = cv2.erode(cv2.bitwise_and(valid, pair.valid[0]), border).astype(np.float32)
    middle = np.asarray((first + second) / 2)
    middle = middle - middle.mean()
    across, down = gradient(middle)
    blur = cv2.Laplacian(middle, -1, ksize=1)
    terms = [each * valid for each in (across, down, blur, middle, np.ones_like(middle))]
    terms.append((first - second) * valid)
    grid = block_grid(first.shape)
    products = np.empty((grid[0] * grid[1], len(terms), len(terms)))
    for one, other in combinations_with_replacement(range(len(terms)), 2):
        means = block_means(terms[one] * terms[other], grid).ravel()
        products[:, one, other] = products[:, other, one] = means
    return _without_nuisance(products, pair.equalized, first.size / len(products))


def _without_nuisance(
    products: NDArray[np.float64], equalized: NDArray[np.bool_], pixels: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eliminate all but the shift from the products (n, 6, 6) of what may differ in each block."""
    share = products[:, 4, 4]
    others = products[:, 2:5, 2:5]
    others = others + 1e-9 * np.trace(others, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    others[share < _SETTINGS.least_share] = np.eye(3)
    # Of the shift and the difference, what the others do not explain.
    kept = [0, 1, 5]
    cross = products[:, kept, 2:5]
    rest = products[:, kept][:, :, kept] - cross @ np.linalg.solve(others, cross.swapaxes(1, 2))
    variance = np.maximum(rest[:, 2, 2], 0) / np.maximum(share, 1e-6)
    usable = equalized & (share >= _SETTINGS.least_share)
    if not usable.any():
        return np.zeros((len(rest), 2, 2)), np.zeros((len(rest), 2))
    least = _SETTINGS.variance_floor * float(np.median(variance[usable]))
    least += 1e-9 * float(products[:, 3, 3].max())
    weight = np.where(usable, pixels / _SETTINGS.correlated / (variance + max(least, 1e-30)), 0)
    return rest[:, :2, :2] * weight[:, None, None], rest[:, :2, 2] * weight[:, None]
