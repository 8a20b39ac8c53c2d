"""Transforms between the coordinates of images."""

import numpy as np
import pytest

from aif_ros.fusion.motion.geometry import (
    corners,
    largest_displacement,
    resize,
    scaling,
    translation,
)


def test_scaling_keeps_the_outer_borders():
    scale = scaling((120, 160, 3), (30, 40))
    for x, expected in ((-0.5, -0.5), (159.5, 39.5)):
        assert (scale @ [x, 0, 1])[0] == pytest.approx(expected)


def test_corners_are_centres_of_pixels():
    np.testing.assert_array_equal(corners((3, 5, 3)), [(0, 0), (4, 0), (0, 2), (4, 2)])


def test_the_largest_displacement_is_that_of_the_farthest_corner():
    assert largest_displacement(translation(3, 4), np.eye(3), (10, 10)) == pytest.approx(5)
    grown = np.diag([1.1, 1.1, 1.0])
    assert largest_displacement(grown, np.eye(3), (41, 31)) == pytest.approx(5)


def test_a_resized_plane_is_a_new_one():
    plane = np.zeros((4, 6), np.float32)
    same = resize(plane, (6, 4))
    assert same is not plane and not np.shares_memory(same, plane)
    assert resize(plane, (12, 8)).shape == (8, 12)
