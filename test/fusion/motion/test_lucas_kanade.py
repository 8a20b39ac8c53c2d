"""The iteration by which images are registered."""

import numpy as np
import pytest

from aif_ros.fusion.motion.lucas_kanade import Limits, cauchy_weights, iterate, solve


def halve(distance):
    """A step that removes half of what is left."""
    return distance / 2, distance / 2


@pytest.mark.parametrize(("limits", "left"), [(Limits(3, 0.0), 2.0), (Limits(99, 3.0), 2.0)])
def test_ends_after_so_many_steps_or_a_small_one(limits, left):
    assert iterate(16.0, halve, limits) == left


def test_a_step_that_hardly_lowers_the_error_is_the_last():
    def error(distance):
        return 1.0 + distance

    # From 2 to 1 the error falls from 3 to 2, then to 1.5, 1.25 and 1.125.
    assert iterate(2.0, halve, Limits(99, 0.0, 0.2), error) == 0.25


def test_a_step_that_raises_the_error_is_not_taken():
    assert iterate(2.0, lambda distance: (-3 * distance, 9.0), Limits(9, 0.0, 0.01), abs) == 2.0
    assert iterate(2.0, lambda distance: (-3 * distance, 9.0), Limits(2, 0.0)) == 18.0


def test_a_registration_that_fails_is_given_up():
    def step(distance):
        return None if distance < 5 else halve(distance)

    assert iterate(16.0, step, Limits(9, 0.0)) == 16.0


def test_residuals_far_above_the_usual_one_hardly_count():
    np.testing.assert_allclose(cauchy_weights(np.array([0.0, 1.0, 99.0])), [1.0, 0.5, 0.01])


def test_what_is_not_determined_stays_zero():
    normal = np.diag([2.0, 0.0])
    np.testing.assert_allclose(solve(normal, np.array([4.0, 0.0]), np.full(2, 1e-9)), [2.0, 0.0])
    damped = solve(normal, np.array([4.0, 0.0]), np.array([2.0, 1.0]))
    np.testing.assert_allclose(damped, [1.0, 0.0])
