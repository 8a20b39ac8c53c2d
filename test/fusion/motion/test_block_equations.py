"""Normal equations of the blocks of two images."""

import numpy as np
import pytest

from aif_ros.fusion.motion.block_equations import BlockEquations, summed
from aif_ros.fusion.motion.motion_parameters import (
    MAGNIFICATION,
    SHIFT,
    SIMILARITY,
    block_jacobians,
)

SHAPE = (360, 480)
JACOBIANS = block_jacobians(SHAPE)
COUNT = len(JACOBIANS)
MOTION = np.array([2.0, -1.0, 0.7, 0.3, 0.0, 0.0])


def equations(shifts, certainty=1e4, bias=0.0):
    """Blocks that show shifts (n, 2)."""
    information = np.tile(certainty * np.eye(2), (COUNT, 1, 1))
    blur_bias = certainty * bias * np.ones((COUNT, 2))
    return BlockEquations(JACOBIANS, information, certainty * shifts, blur_bias)


def test_the_motion_of_all_blocks_is_solved_for():
    solution, precision = equations(JACOBIANS @ MOTION).solve(SIMILARITY)
    np.testing.assert_allclose(solution, MOTION[:4], atol=1e-6)
    assert precision.shape == (4, 4)
    assert (np.linalg.eigvalsh(precision) > 0).all()


def test_what_remains_after_a_known_motion():
    known = np.array([0.5, 0.5, 0.2, 0.0, 0.0, 0.0])
    rest = equations(JACOBIANS @ MOTION).relative_to(known)
    np.testing.assert_allclose(rest.solve(SIMILARITY)[0], (MOTION - known)[:4], atol=1e-6)


def test_a_narrow_prior_keeps_what_little_is_known_small():
    vague = equations(JACOBIANS @ MOTION, certainty=1e-3)
    free, _ = vague.solve(SHIFT)
    kept, _ = vague.solve(SHIFT, np.full(6, 0.01))
    assert np.abs(kept).max() < 0.01 * np.abs(free).max()


def test_blocks_that_do_not_agree_count_less():
    shifts = JACOBIANS @ MOTION + 0.02 * np.random.default_rng(0).standard_normal((COUNT, 2))
    moving = shifts.copy()
    moving[: COUNT // 5] += (6.0, 3.0)
    plain, robust = (
        each.solve(SIMILARITY)[0] for each in (equations(moving), equations(moving).reweighted())
    )
    assert np.abs(plain - MOTION[:4]).max() > 0.3
    assert np.abs(robust - MOTION[:4]).max() < 0.05


def test_blocks_without_information_are_left_as_they_are():
    nothing = equations(np.zeros((COUNT, 2)), certainty=0.0)
    assert nothing.reweighted() is nothing


@pytest.mark.parametrize(("scatter", "bias"), [(0.1, 0.0), (1.0, 0.0), (0.1, 0.5)])
def test_the_covariance_tells_how_far_the_motion_is_off(scatter, bias):
    """Over many draws, errors are as large as the covariance has it; a bias only adds to it."""
    random = np.random.default_rng(1)
    errors, deviations = [], []
    for _ in range(60):
        shifts = JACOBIANS @ MOTION + scatter * random.standard_normal((COUNT, 2))
        solution, covariance = equations(shifts, bias=bias).fit(SIMILARITY)
        errors.append(solution[:2] - MOTION[:2])
        deviations.append(np.sqrt(np.diag(covariance)[:2]))
    usual, stated = np.sqrt(np.mean(np.square(errors))), np.mean(deviations)
    if bias:
        assert stated > 0.9 * bias
    else:
        assert 0.7 * usual < stated < 2.5 * usual


def test_disagreement_between_pairs_counts():
    ahead = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    pairs = [equations(JACOBIANS @ (factor * ahead)) for factor in (0.0, 2.0)]
    together = summed(pairs)
    solution, alone = together.fit(MAGNIFICATION)
    assert solution[0] == pytest.approx(1.0, abs=1e-6)
    assert together.fit(MAGNIFICATION, pairs)[1] > 4 * alone
