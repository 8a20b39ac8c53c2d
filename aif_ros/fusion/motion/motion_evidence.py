"""What the blocks of two images say about the motion between them.

In each block, the difference of two images of nearly the same place and blur is linear in what may
differ: the shift, the blur (Laplacian), the contrast and the brightness. Least squares give the
shift that a block asks for, and how well its texture determines it; what blur, contrast and
brightness explain as well does not count (cf. Lucas & Kanade, "An Iterative Image Registration
Technique", IJCAI 1981).

How far a motion that is fitted to all blocks can be trusted is not seen from the noise of pixels:
blocks err by far more, where depth varies, things move or the blur is not Gaussian. It is seen from
how much the blocks disagree: the covariance here is the sandwich estimate (White, "A
Heteroskedasticity-Consistent Covariance Matrix Estimator", Econometrica 1980), a block an
observation, with its leverage taken into account.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blocks import block_grid, block_means, gradient
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.lucas_kanade import cauchy_weights, solve
from aif_ros.types.image import Image

Parameters = NDArray[np.float64]
"""(6,) of a motion about the middle of the image, each in pixels by which it moves the middle or a
corner: shift right, shift down, magnification, rotation, two of shear."""

Group = tuple[int, ...]
"""Parameters that belong together."""

SHIFT: Group = (0, 1)
MAGNIFICATION: Group = (2,)
ROTATION: Group = (3,)
SHEAR: Group = (4, 5)
SIMILARITY: Group = (*SHIFT, *MAGNIFICATION, *ROTATION)

_BORDER = 5
"""Side of the square by which areas without data are enlarged: gradients reach across borders."""
_LEAST_SHARE = 0.5
"""Of a block that must hold data."""
_CORRELATED = 12.0
"""Pixels of the smoothed copies that vary as one."""
_FLOOR = 0.1
"""Share of the median unexplained variance that is added to that of each block: none is perfect."""
_TOLERANCE = 4.0
"""Multiple of the median disagreement from which on a block counts less than half."""
_COMMON = 8.0
"""What all blocks may have in common, in standard deviations of the noise of pixels: where blur is
no Gaussian, and near things cover others, errors do not average out."""
_LARGEST_LEVERAGE = 0.9


def motion_matrix(parameters: Parameters, shape: tuple[int, ...]) -> Transform:
    """Return the transform of a motion of an image of that shape (H, W, ...)."""
    magnification, rotation, stretch, skew = parameters[2:] / _radius(shape)
    linear = np.array(
        [
            [1 + magnification + stretch, skew - rotation],
            [skew + rotation, 1 + magnification - stretch],
        ]
    )
    middle = _middle(shape)
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, middle + parameters[:2] - linear @ middle
    return transform


def motion_parameters(transform: Transform, shape: tuple[int, ...]) -> Parameters:
    """Return the parameters of a transform of an image of that shape (H, W, ...)."""
    (xx, xy), (yx, yy) = transform[:2, :2]
    middle, radius = _middle(shape), _radius(shape)
    shift = transform[:2, :2] @ middle + transform[:2, 2] - middle
    rest = np.array([xx + yy - 2, yx - xy, xx - yy, yx + xy]) * (radius / 2)
    return np.concatenate([shift, rest])


def block_motions(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(n, 2, 6), by how much each parameter moves each block of an image (H, W, ...)."""
    across, down = block_grid(shape)
    x, y = (
        ((np.arange(count) + 0.5) * side / count - side / 2) / _radius(shape)
        for count, side in ((across, shape[1]), (down, shape[0]))
    )
    right, below = (each.ravel() for each in np.meshgrid(x, y))
    one, none = np.ones_like(right), np.zeros_like(right)
    return np.stack(
        [
            np.stack([one, none, right, -below, right, below], axis=-1),
            np.stack([none, one, below, right, -below, right], axis=-1),
        ],
        axis=1,
    )


@dataclass(frozen=True)
class Comparison:
    """Two copies that are to be compared, equally blurred.

    Attributes:
        first: (h, w).
        second: of the same shape.
        held: (h, w) uint8 each, where they hold data.
        used: (n,) bool, the blocks that may be compared.
        blur_shifts: (n, 2), shift that their difference in blur may feign, pixels of the copies.
    """

    first: Image
    second: Image
    held: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    used: NDArray[np.bool_]
    blur_shifts: NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """What the blocks say about a motion, in pixels of the full-size images.

    Attributes:
        motions: (n, 2, 6), see `block_motions`.
        information: (n, 2, 2), inverse covariance of the shift of each block.
        pull: (n, 2), the information times the shift that the block asks for.
        feigned: (n, 2), the same for the shift that differences in blur may feign.
    """

    motions: NDArray[np.float64]
    information: NDArray[np.float64]
    pull: NDArray[np.float64]
    feigned: NDArray[np.float64]

    def beyond(self, parameters: Parameters) -> "Evidence":
        """Return the evidence for a motion beyond one."""
        known = np.einsum("nij,njk,k->ni", self.information, self.motions, parameters)
        return replace(self, pull=self.pull - known)

    def weighted(self) -> "Evidence":
        """Return the evidence with less weight on blocks that do not agree with most."""
        informed = np.trace(self.information, axis1=1, axis2=2) > 0
        if not informed.any():
            return self
        weighted = self
        for _ in range(4):
            parameters = _filled(weighted.solve(SIMILARITY)[0], SIMILARITY)
            disagreement = _squared(self.beyond(parameters).pull, self.information)
            usual = float(np.median(disagreement[informed]))
            weights = cauchy_weights(disagreement / (_TOLERANCE * usual + 1e-12))
            weighted = self._times(weights)
        return weighted

    def _times(self, weights: NDArray[np.float64]) -> "Evidence":
        return Evidence(
            self.motions,
            self.information * weights[:, None, None],
            self.pull * weights[:, None],
            self.feigned * weights[:, None],
        )

    def solve(
        self, group: Group, loosely: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit parameters to all blocks.

        Args:
            group: the k parameters; the others are 0.
            loosely: (6,) standard deviations of the parameters before anything is known, pixels;
                None: the blocks alone decide, as far as they can.

        Returns:
            (k,) the parameters, and (k, k) their inverse covariance, as noise alone would have it.
        """
        motions = self.motions[..., list(group)]
        precision = np.einsum("nia,nij,njb->ab", motions, self.information, motions)
        prior = np.full(len(group), 1e-6) if loosely is None else loosely[list(group)] ** -2.0
        solution = solve(precision, np.einsum("nia,ni->a", motions, self.pull), prior)
        return solution, precision + np.diag(prior)

    def fit(
        self, group: Group, others: Sequence["Evidence"] = ()
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit parameters, and estimate how certain they are from how the blocks disagree.

        Args:
            group: the k parameters; the others are 0.
            others: evidence of which this is the sum, if the parameters are those of each of them;
                how much they disagree counts, too.

        Returns:
            (k,) the parameters and (k, k) their covariance.
        """
        solution, precision = self.solve(group)
        inverse = np.linalg.inv(precision)
        motions = self.motions[..., list(group)]
        parameters = _filled(solution, group)
        rest = self.beyond(parameters).pull
        own = np.einsum("nia,nij,njb->nab", motions, self.information, motions)
        leverage = np.minimum(np.einsum("ab,nab->n", inverse, own), _LARGEST_LEVERAGE)
        scores = np.einsum("nia,ni->na", motions, rest) / (1 - leverage)[:, None]
        spread = scores.T @ scores
        if len(others) > 1:
            each = np.array(
                [np.einsum("nia,ni->a", motions, other.beyond(parameters).pull) for other in others]
            )
            spread = spread + each.T @ each * len(others) / (len(others) - 1)
        feigned = np.einsum("nia,ni->a", motions, self.feigned)
        spread = spread + np.outer(feigned, feigned) + _COMMON**2 * precision
        return solution, inverse @ spread @ inverse


def summed(evidence: Sequence[Evidence]) -> Evidence:
    """Return the evidence for a motion that is the same each time."""
    return Evidence(
        evidence[0].motions,
        np.sum([each.information for each in evidence], axis=0),
        np.sum([each.pull for each in evidence], axis=0),
        np.sum([each.feigned for each in evidence], axis=0),
    )


def evidence_of(
    comparisons: Sequence[Comparison], transform: Transform, shape: tuple[int, ...]
) -> Evidence:
    """Compare the copies of two images, moved by a transform.

    Args:
        comparisons: of copies of several sizes.
        transform: from the coordinates of the first image to those of the second one.
        shape: (H, W, ...) of the images.

    Returns:
        Evidence for what the transform is to be followed by.
    """
    motions = block_motions(shape)
    information, pull = np.zeros((len(motions), 2, 2)), np.zeros((len(motions), 2))
    for each in comparisons:
        scale = scaling(shape, each.first.shape)
        moved = scale @ transform @ np.linalg.inv(scale)
        own_information, own_pull = _compared(each, moved)
        information += own_information * scale[0, 0] ** 2
        pull += own_pull * scale[0, 0]
    feigned = np.zeros_like(pull)
    if comparisons:
        # The smallest copies show differences in blur in most places.
        shifts = comparisons[0].blur_shifts * max(shape[:2]) / max(comparisons[0].first.shape)
        feigned = np.einsum("nij,nj->ni", information, shifts)
    return Evidence(motions, information, pull, feigned)


def _compared(
    copies: Comparison, transform: Transform
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Information (n, 2, 2) and pull (n, 2) of the blocks, in pixels of the copies."""
    first, size, flags = copies.first, copies.first.shape[::-1], cv2.WARP_INVERSE_MAP
    second = cv2.warpAffine(
        copies.second,
        transform[:2],
        size,
        flags=cv2.INTER_CUBIC | flags,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    held = cv2.warpAffine(copies.held[1], transform[:2], size, flags=cv2.INTER_NEAREST | flags)
    held = cv2.erode(
        cv2.bitwise_and(held, copies.held[0]), np.ones((_BORDER, _BORDER), np.uint8)
    ).astype(np.float32)
    middle = np.asarray((first + second) / 2)
    middle = middle - middle.mean()
    across, down = gradient(middle)
    blur = cv2.Laplacian(middle, -1, ksize=1)
    terms = [each * held for each in (across, down, blur, middle, np.ones_like(middle))]
    terms.append((first - second) * held)
    grid = block_grid(first.shape)
    products = np.empty((grid[0] * grid[1], len(terms), len(terms)))
    for one, other in combinations_with_replacement(range(len(terms)), 2):
        means = block_means(terms[one] * terms[other], grid).ravel()
        products[:, one, other] = products[:, other, one] = means
    return _shifts(products, copies.used, first.size / len(products))


def _shifts(
    products: NDArray[np.float64], used: NDArray[np.bool_], pixels: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eliminate all but the shift from the normal equations of the blocks, (n, 6, 6)."""
    share = products[:, 4, 4]
    others = products[:, 2:5, 2:5]
    others = others + 1e-9 * np.trace(others, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    others[share < _LEAST_SHARE] = np.eye(3)
    # Of the shift and the difference, what the others do not explain.
    kept = [0, 1, 5]
    cross = products[:, kept, 2:5]
    rest = products[:, kept][:, :, kept] - cross @ np.linalg.solve(others, cross.swapaxes(1, 2))
    variance = np.maximum(rest[:, 2, 2], 0) / np.maximum(share, 1e-6)
    usable = used & (share >= _LEAST_SHARE)
    if not usable.any():
        return np.zeros((len(rest), 2, 2)), np.zeros((len(rest), 2))
    least = _FLOOR * float(np.median(variance[usable])) + 1e-9 * float(products[:, 3, 3].max())
    weight = np.where(usable, pixels / _CORRELATED / (variance + max(least, 1e-30)), 0)
    return rest[:, :2, :2] * weight[:, None, None], rest[:, :2, 2] * weight[:, None]


def _squared(pull: NDArray[np.float64], information: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,), squared Mahalanobis lengths of the shifts that are asked for."""
    trace = np.trace(information, axis1=1, axis2=2)[:, None, None]
    regular = information + (1e-6 * trace + 1e-12) * np.eye(2)
    shift = np.linalg.solve(regular, pull[..., None])[..., 0]
    return np.asarray(np.einsum("ni,ni->n", pull, shift))


def _filled(values: NDArray[np.float64], group: Sequence[int]) -> Parameters:
    parameters = np.zeros(6)
    parameters[list(group)] = values
    return parameters


def _middle(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])


def _radius(shape: tuple[int, ...]) -> float:
    return math.hypot(shape[0], shape[1]) / 2
