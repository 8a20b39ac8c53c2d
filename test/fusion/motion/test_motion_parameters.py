"""Parameters of the motion of an image."""

import numpy as np
import pytest

from aif_ros.fusion.motion.blocks import block_grid
from aif_ros.fusion.motion.motion_parameters import (
    SHIFT,
    block_jacobians,
    expanded,
    motion_matrix,
    motion_parameters,
)

SHAPE = (360, 480)


def test_parameters_and_matrices_belong_together():
    motion = np.array([3.0, -2.0, 1.5, 0.7, 0.3, -0.4])
    np.testing.assert_allclose(motion_parameters(motion_matrix(motion, SHAPE), SHAPE), motion)
    corner = np.array([SHAPE[1] - 1, SHAPE[0] - 1, 1.0])
    moved = motion_matrix(np.array([0, 0, 2.0, 0, 0, 0]), SHAPE) @ corner - corner
    assert np.hypot(*moved[:2]) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("parameter", range(6))
def test_blocks_move_as_the_matrix_says(parameter):
    motion = np.zeros(6)
    motion[parameter] = 2.0
    across, down = block_grid(SHAPE)
    x = (np.arange(across) + 0.5) * SHAPE[1] / across - 0.5
    y = (np.arange(down) + 0.5) * SHAPE[0] / down - 0.5
    middles = np.stack([*(each.ravel() for each in np.meshgrid(x, y)), np.ones(across * down)])
    moved = (motion_matrix(motion, SHAPE) @ middles - middles)[:2].T
    np.testing.assert_allclose(block_jacobians(SHAPE) @ motion, moved, atol=1e-9)


def test_parameters_outside_the_group_are_zero():
    np.testing.assert_array_equal(expanded(np.array([3.0, 4.0]), SHIFT), [3, 4, 0, 0, 0, 0])
