"""The robust Gauss-Newton iteration by which images are registered.

Lucas & Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision",
IJCAI 1981: each step linearizes the difference of two images about the present transform, and
solves the normal equations for the motion that removes most of it. Pixels or blocks that do not
agree with most get less weight: Cauchy's (Lorentzian) weights, Black & Anandan, "The Robust
Estimation of Multiple Motions", CVIU 1996.

The equations come from pixels (`pixel_registration`) or from blocks (`block_linearization`); the
iteration, the weights and the solution of the equations are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

State = TypeVar("State")


@dataclass(frozen=True)
class Limits:
    """When the iteration ends.

    Attributes:
        steps: the largest number of steps.
        least_step: a step that is smaller, pixels, is the last.
        least_gain: a step that lowers the error by less than this share is the last, and is only
            taken if it lowers the error at all; None: the error is not computed.
    """

    steps: int
    least_step: float
    least_gain: float | None = None


def iterate(
    start: State,
    step: Callable[[State], tuple[State, float] | None],
    limits: Limits,
    error: Callable[[State], float] | None = None,
) -> State:
    """Improve a registration step by step.

    Args:
        start: a transform, or what is known of the images registered by it.
        step: returns the registration after one step, and the size of the step, pixels; None: the
            registration has failed.
        limits: when to end.
        error: of a registration; needed for `Limits.least_gain`.

    Returns:
        The last registration; `start` if it has failed.
    """
    best = start
    for _ in range(limits.steps):
        following = step(best)
        if following is None:
            return start
        further, size = following
        last = size < limits.least_step
        if limits.least_gain is None or error is None:
            best = further
        else:
            before, after = error(best), error(further)
            last = last or before - after < limits.least_gain * before
            best = further if after < before else best
        if last:
            break
    return best


def cauchy_weights(squared: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights of residuals, given the squares of their ratios to the usual one."""
    return np.asarray(1 / (1 + squared))


def solve(
    normal: NDArray[np.float64], gradient: NDArray[np.float64], damping: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve the normal equations of a step.

    Args:
        normal: (k, k), the matrix.
        gradient: (k,), the right side.
        damping: (k,), added to the diagonal: what the images do not determine stays 0.
    """
    return np.asarray(np.linalg.solve(normal + np.diag(damping), gradient), np.float64)
