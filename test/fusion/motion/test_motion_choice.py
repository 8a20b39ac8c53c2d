"""The simplest motion that explains a stack."""

import numpy as np
import pytest

from aif_ros.fusion.motion.motion_choice import choose_motions, significant_motion
from aif_ros.fusion.motion.motion_evidence import (
    Evidence,
    block_motions,
    motion_matrix,
    motion_parameters,
)

SHAPE = (360, 480)
MOTIONS = block_motions(SHAPE)


def evidence(motion, random, scatter=0.1):
    """Blocks that ask for a motion, each with an error of its own."""
    information = np.tile(1e4 * np.eye(2), (len(MOTIONS), 1, 1))
    shifts = MOTIONS @ motion + scatter * random.standard_normal((len(MOTIONS), 2))
    return Evidence(MOTIONS, information, 1e4 * shifts, np.zeros_like(shifts))


def test_parameters_and_matrices_belong_together():
    motion = np.array([3.0, -2.0, 1.5, 0.7, 0.3, -0.4])
    np.testing.assert_allclose(motion_parameters(motion_matrix(motion, SHAPE), SHAPE), motion)
    corner = np.array([SHAPE[1] - 1, SHAPE[0] - 1, 1.0])
    moved = motion_matrix(np.array([0, 0, 2.0, 0, 0, 0]), SHAPE) @ corner - corner
    assert np.hypot(*moved[:2]) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("count", [2, 8, 100])
def test_what_blocks_do_not_agree_on_is_no_motion(count):
    random = np.random.default_rng(count)
    for motion in choose_motions([evidence(np.zeros(6), random) for _ in range(count)]):
        np.testing.assert_array_equal(motion, 0)


@pytest.mark.parametrize("count", [2, 8, 100])
def test_even_motion_is_found_by_the_whole_stack(count):
    random, step = np.random.default_rng(count), np.array([0, 0, 0.4, 0, 0, 0])
    found = choose_motions([evidence(step, random) for _ in range(count)])
    np.testing.assert_allclose(found, np.tile(step, (count, 1)), atol=0.1)


def test_uneven_steps_are_taken_as_they_are():
    random = np.random.default_rng(1)
    steps = random.normal(0, 2, (9, 6)) * (1, 1, 0, 0.5, 0, 0)
    found = choose_motions([evidence(step, random) for step in steps])
    np.testing.assert_allclose(found, steps, atol=0.15)


def test_what_blur_may_feign_is_not_believed():
    step = evidence(np.array([0, 0, 1.0, 0, 0, 0]), np.random.default_rng(2))
    assert significant_motion(step)[2] == pytest.approx(1.0, abs=0.1)
    doubtful = Evidence(step.motions, step.information, step.pull, step.pull)
    np.testing.assert_array_equal(significant_motion(doubtful), 0)


def test_nothing_is_known_of_what_has_no_texture():
    nothing = Evidence(MOTIONS, np.zeros((len(MOTIONS), 2, 2)), *np.zeros((2, len(MOTIONS), 2)))
    np.testing.assert_array_equal(choose_motions([nothing] * 3), 0)
