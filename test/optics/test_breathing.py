"""Magnification by focus breathing, and its removal."""

import numpy as np

from aif_ros.optics.breathing import magnify, remove_breathing
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture

SHARP = texture((160, 120), np.random.default_rng(3))


def test_undoes_magnification():
    smaller = remove_breathing(SHARP, 1 / 1.05)
    inside = (slice(8, -8), slice(8, -8))
    assert psnr(remove_breathing(smaller, 1.05)[inside], SHARP[inside]) > 32


def test_centre_stays():
    dot = np.zeros((41, 61), np.float32)
    dot[20, 30] = 1.0
    assert np.unravel_index(remove_breathing(dot, 1.08).argmax(), dot.shape) == (20, 30)


def test_values_stay_in_range():
    checks = np.indices((40, 40)).sum(axis=0) % 2
    scaled = remove_breathing(checks.astype(np.float32), 1.03)
    assert 0 <= scaled.min() <= scaled.max() <= 1


def test_scale_one_is_free():
    assert remove_breathing(SHARP, 1.0) is SHARP


def test_values_of_any_range_can_be_magnified():
    planes = np.full((20, 30, 4), -7.0, np.float32)
    np.testing.assert_allclose(magnify(planes, 1.1), planes, rtol=1e-6)
