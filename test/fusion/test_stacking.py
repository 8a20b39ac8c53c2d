"""Maps of the source position."""

import numpy as np

from aif_ros.fusion.stacking import confidence, interpolate_flat
from aif_ros.simulation.scenes.planes import texture


def test_flat_parts_are_not_known():
    image = texture((160, 120), np.random.default_rng(3))
    image[:, :80] = 0.5
    image += np.float32(0.005) * np.random.default_rng(0).standard_normal(image.shape, np.float32)
    known = confidence(image)
    assert known[:, :60].mean() < 0.1
    assert known[:, 100:].mean() > 0.9


def test_flat_parts_are_interpolated_from_their_surroundings():
    positions = np.tile(np.linspace(0, 1, 160, dtype=np.float32), (120, 1))
    known = np.ones_like(positions)
    known[40:80, 60:100] = 0
    broken = positions * known
    np.testing.assert_allclose(interpolate_flat(broken, known), positions, atol=0.1)
    np.testing.assert_array_equal(interpolate_flat(broken, known)[:40], positions[:40])


def test_a_map_without_known_pixels_is_finite():
    positions = np.full((33, 47), 2.0, np.float32)
    np.testing.assert_allclose(interpolate_flat(positions, 0 * positions), 2.0)
