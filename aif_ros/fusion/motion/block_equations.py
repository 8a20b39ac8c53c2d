"""Normal equations of the motion between two images, block by block.

In each block, the difference of two images of nearly the same place and blur is linear in what may
differ: the shift, the blur (Laplacian), the contrast and the brightness. Least squares give the
shift of the block, and how well its texture determines it; what blur, contrast and brightness
explain as well is eliminated (cf. Lucas & Kanade, "An Iterative Image Registration Technique",
IJCAI 1981).

How far a motion that is fitted to all blocks can be trusted is not seen from the noise of pixels:
blocks err by far more, where depth varies, things move or the blur is not Gaussian. It is seen from
how much the blocks disagree: the covariance here is the sandwich estimate (White, "A
Heteroskedasticity-Consistent Covariance Matrix Estimator", Econometrica 1980), a block an
observation, with its leverage taken into account.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blocks import block_grid, block_means, gradient
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.lucas_kanade import cauchy_weights, solve
from aif_ros.fusion.motion.motion_parameters import (
    SIMILARITY,
    Group,
    Parameters,
    block_jacobians,
    expanded,
)
from aif_ros.types.image import Image


@dataclass(frozen=True)
class BlockSettings:
    """Settings of the normal equations of blocks.

    Chosen by hand on rendered stacks: still, with focus breathing of 0.5 to 10 %, with drift, and
    held by hand; see `test/fusion/motion/test_stack_registration.py`.

    Attributes:
        border: side of the square by which areas without data are enlarged, pixels: gradients reach
            across borders.
        least_share: of a block that must hold data.
        correlated: pixels of the smoothed images that vary as one.
        variance_floor: share of the median unexplained variance that is added to that of each
            block: none is perfect.
        tolerance: multiple of the median disagreement at which a block counts half.
        reweightings: how often the weights of the blocks are computed anew.
        common_error: what all blocks may have in common, standard deviations of the noise of
            pixels: where blur is no Gaussian, and near things cover others, errors do not average
            out.
        largest_leverage: of a block.
        weak_prior: of each parameter where no other is given, 1 / pixels^2: keeps the equations
            regular.
    """

    border: int = 5
    least_share: float = 0.5
    correlated: float = 12.0
    variance_floor: float = 0.1
    tolerance: float = 4.0
    reweightings: int = 4
    common_error: float = 8.0
    largest_leverage: float = 0.9
    weak_prior: float = 1e-6


_SETTINGS = BlockSettings()


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


@dataclass(frozen=True)
class BlockEquations:
    """Normal equations of the shift of each block, in pixels of the full-size images.

    Attributes:
        jacobians: (n, 2, 6), see `block_jacobians`.
        information: (n, 2, 2), inverse covariance of the shift of each block.
        information_vector: (n, 2), the information times the shift that the block shows.
        blur_bias: (n, 2), the information times the shift that differences in blur may cause.
    """

    jacobians: NDArray[np.float64]
    information: NDArray[np.float64]
    information_vector: NDArray[np.float64]
    blur_bias: NDArray[np.float64]

    def relative_to(self, parameters: Parameters) -> "BlockEquations":
        """Return the equations of the motion that remains after a known one."""
        known = np.einsum("nij,njk,k->ni", self.information, self.jacobians, parameters)
        return replace(self, information_vector=self.information_vector - known)

    def reweighted(self) -> "BlockEquations":
        """Return the equations with less weight on blocks that do not agree with most."""
        informed = np.trace(self.information, axis1=1, axis2=2) > 0
        if not informed.any():
            return self
        weighted = self
        for _ in range(_SETTINGS.reweightings):
            parameters = expanded(weighted.solve(SIMILARITY)[0], SIMILARITY)
            rest = self.relative_to(parameters).information_vector
            disagreement = _squared_lengths(rest, self.information)
            usual = float(np.median(disagreement[informed]))
            weights = cauchy_weights(disagreement / (_SETTINGS.tolerance * usual + 1e-12))
            weighted = self._scaled(weights)
        return weighted

    def _scaled(self, weights: NDArray[np.floating]) -> "BlockEquations":
        return BlockEquations(
            self.jacobians,
            self.information * weights[:, None, None],
            self.information_vector * weights[:, None],
            self.blur_bias * weights[:, None],
        )

    def solve(
        self, group: Group, prior_deviations: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit parameters to all blocks.

        Args:
            group: the k parameters; the others are 0.
            prior_deviations: (6,) standard deviations of the parameters before anything is known,
                pixels; None: the blocks alone decide, as far as they can.

        Returns:
            (k,) the parameters, and (k, k) their inverse covariance, as noise alone would have it.
        """
        jacobians = self.jacobians[..., list(group)]
        precision = np.einsum("nia,nij,njb->ab", jacobians, self.information, jacobians)
        prior = np.full(len(group), _SETTINGS.weak_prior)
        if prior_deviations is not None:
            prior = prior_deviations[list(group)] ** -2.0
        vector = np.einsum("nia,ni->a", jacobians, self.information_vector)
        solution = solve(precision, vector, prior)
        return solution, precision + np.diag(prior)

    def fit(
        self, group: Group, others: Sequence["BlockEquations"] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit parameters, and estimate how certain they are from how the blocks disagree.

        Args:
            group: the k parameters; the others are 0.
            others: equations of which these are the sum, if the parameters are those of each of
                them; how much they disagree counts, too.

        Returns:
            (k,) the parameters and (k, k) their covariance.
        """
        solution, precision = self.solve(group)
        inverse = np.linalg.inv(precision)
        jacobians = self.jacobians[..., list(group)]
        parameters = expanded(solution, group)
        rest = self.relative_to(parameters).information_vector
        own = np.einsum("nia,nij,njb->nab", jacobians, self.information, jacobians)
        leverage = np.minimum(np.einsum("ab,nab->n", inverse, own), _SETTINGS.largest_leverage)
        scores = np.einsum("nia,ni->na", jacobians, rest) / (1 - leverage)[:, None]
        spread = scores.T @ scores
        if len(others) > 1:
            vectors = [other.relative_to(parameters).information_vector for other in others]
            each = np.array([np.einsum("nia,ni->a", jacobians, vector) for vector in vectors])
            spread = spread + each.T @ each * len(others) / (len(others) - 1)
        blur_bias = np.einsum("nia,ni->a", jacobians, self.blur_bias)
        spread = spread + np.outer(blur_bias, blur_bias) + _SETTINGS.common_error**2 * precision
        return solution, inverse @ spread @ inverse


def summed(equations: Sequence[BlockEquations]) -> BlockEquations:
    """Return the equations of a motion that is the same each time."""
    return BlockEquations(
        equations[0].jacobians,
        np.sum([each.information for each in equations], axis=0),
        np.sum([each.information_vector for each in equations], axis=0),
        np.sum([each.blur_bias for each in equations], axis=0),
    )


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


def _squared_lengths(
    vector: NDArray[np.float64], information: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,), squared Mahalanobis lengths of the shifts of the blocks."""
    trace = np.trace(information, axis1=1, axis2=2)[:, None, None]
    regular = information + (1e-6 * trace + 1e-12) * np.eye(2)
    shift = np.linalg.solve(regular, vector[..., None])[..., 0]
    return np.asarray(np.einsum("ni,ni->n", vector, shift))
