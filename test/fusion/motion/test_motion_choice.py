"""The simplest motion that explains a stack."""

from dataclasses import replace

import numpy as np
import pytest

from aif_ros.fusion.motion.block_equations import BlockEquations
from aif_ros.fusion.motion.motion_choice import choose_motions, significant_motion
from aif_ros.fusion.motion.motion_parameters import block_jacobians

SHAPE = (360, 480)
JACOBIANS = block_jacobians(SHAPE)


def equations(motion, random, scatter=0.1):
    """Blocks that show a motion, each with an error of its own."""
    information = np.tile(1e4 * np.eye(2), (len(JACOBIANS), 1, 1))
    shifts = JACOBIANS @ motion + scatter * random.standard_normal((len(JACOBIANS), 2))
    return BlockEquations(JACOBIANS, information, 1e4 * shifts, np.zeros_like(shifts))


@pytest.mark.parametrize("count", [2, 8, 100])
def test_what_blocks_do_not_agree_on_is_no_motion(count):
    random = np.random.default_rng(count)
    for motion in choose_motions([equations(np.zeros(6), random) for _ in range(count)]):
        np.testing.assert_array_equal(motion, 0)


@pytest.mark.parametrize("count", [2, 8, 100])
def test_uniform_motion_is_found_by_the_whole_stack(count):
    random, step = np.random.default_rng(count), np.array([0, 0, 0.4, 0, 0, 0])
    found = choose_motions([equations(step, random) for _ in range(count)])
    np.testing.assert_allclose(found, np.tile(step, (count, 1)), atol=0.1)


def test_uneven_steps_are_taken_as_they_are():
    random = np.random.default_rng(1)
    steps = random.normal(0, 2, (9, 6)) * (1, 1, 0, 0.5, 0, 0)
    found = choose_motions([equations(step, random) for step in steps])
    np.testing.assert_allclose(found, steps, atol=0.15)


def test_what_blur_may_cause_is_not_accepted():
    step = equations(np.array([0, 0, 1.0, 0, 0, 0]), np.random.default_rng(2))
    assert significant_motion(step)[2] == pytest.approx(1.0, abs=0.1)
    doubtful = replace(step, blur_bias=step.information_vector)
    np.testing.assert_array_equal(significant_motion(doubtful), 0)


def test_nothing_is_known_of_what_has_no_texture():
    count = len(JACOBIANS)
    nothing = BlockEquations(JACOBIANS, np.zeros((count, 2, 2)), *np.zeros((2, count, 2)))
    np.testing.assert_array_equal(choose_motions([nothing] * 3), 0)
