"""Unknown parts of a plane."""

import numpy as np

from aif_ros.types.fill import fill_unknown


def test_unknown_parts_are_interpolated_from_their_surroundings():
    positions = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (120, 1))
    known = np.ones_like(positions)
    known[40:80, 60:100] = 0
    broken = positions * known
    np.testing.assert_allclose(fill_unknown(broken, known), positions, atol=0.1)
    np.testing.assert_array_equal(fill_unknown(broken, known)[:40], positions[:40])


def test_a_plane_without_known_pixels_is_finite():
    positions = np.full((33, 47), 2.0, np.float32)
    np.testing.assert_allclose(fill_unknown(positions, 0 * positions), 2.0)
