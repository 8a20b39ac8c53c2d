"""Normal equations of the blocks of two images, solved for the motion between them.

How far a motion that is fitted to all blocks can be trusted is not seen from the noise of pixels:
blocks err by far more, where depth varies, things move or the blur is not Gaussian. It is seen from
how much the blocks disagree: the covariance here is the sandwich estimate (White, "A
Heteroskedasticity-Consistent Covariance Matrix Estimator", Econometrica 1980), a block an
observation, with its leverage taken into account.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.lucas_kanade import cauchy_weights, solve
from aif_ros.fusion.motion.motion_parameters import SIMILARITY, Group, Parameters, expanded


@dataclass(frozen=True)
class BlockSettings:
    """How blocks are weighted, and how certain the motion is that is fitted to them.

    Chosen by hand on rendered stacks: still, with focus breathing of 0.5 to 10 %, with drift, and
    held by hand; see `test/fusion/motion/test_stack_registration.py`.

    Attributes:
        tolerance: multiple of the median disagreement at which a block counts half.
        reweightings: how often the weights of the blocks are computed anew.
        common_error: what all blocks may have in common, standard deviations of the noise of
            pixels: where blur is no Gaussian, and near things cover others, errors do not average
            out.
        largest_leverage: of a block.
        weak_prior: of each parameter where no other is given, 1 / pixels^2: keeps the equations
            regular.
    """

    tolerance: float = 4.0
    reweightings: int = 4
    common_error: float = 8.0
    largest_leverage: float = 0.9
    weak_prior: float = 1e-6


_SETTINGS = BlockSettings()


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


def _squared_lengths(
    vector: NDArray[np.float64], information: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,), squared Mahalanobis lengths of the shifts of the blocks."""
    trace = np.trace(information, axis1=1, axis2=2)[:, None, None]
    regular = information + (1e-6 * trace + 1e-12) * np.eye(2)
    shift = np.linalg.solve(regular, vector[..., None])[..., 0]
    return np.asarray(np.einsum("ni,ni->n", vector, shift))
