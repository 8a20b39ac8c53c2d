"""Registering two images by the differences of their pixels."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.geometry import largest_displacement
from aif_ros.fusion.motion.lucas_kanade import Limits
from aif_ros.fusion.motion.photometric_error import MatchedBlur
from aif_ros.fusion.motion.pixel_registration import PixelSearch, Registered, register_pixels
from aif_ros.simulation.scenes.planes import texture

SIZE = (120, 90)
BEFORE = cv2.GaussianBlur(texture(SIZE, np.random.default_rng(5))[..., 1], (0, 0), 2.5)
SHIFT = np.array([[1.0, 0, 2.2], [0, 1, -1.4], [0, 0, 1]])
SIMILARITY = np.array([[1.01, -0.015, 1.0], [0.015, 1.01, -0.5], [0, 0, 1]])


def warp(image, transform):
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, transform[:2], SIZE, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def registered(now):
    def compare(transform):
        warped = warp(BEFORE, transform)
        return Registered(transform, MatchedBlur(now, warped, np.abs(now - warped)))

    return compare


def search(similarity, steps=12, strongest=1.0):
    return PixelSearch(similarity, strongest, 1e-6, Limits(steps, 0.005))


@pytest.mark.parametrize("strongest", [1.0, 0.25])
@pytest.mark.parametrize(("truth", "similarity"), [(SHIFT, False), (SIMILARITY, True)])
def test_the_transform_is_found(truth, similarity, strongest):
    now = warp(BEFORE, truth)
    found = register_pixels(registered(now), np.eye(3), search(similarity, strongest=strongest))
    assert largest_displacement(found.transform, truth, BEFORE.shape) < 0.1
    assert found.error < 0.003


def test_what_moves_by_itself_hardly_counts():
    now = warp(BEFORE, SHIFT)
    now[20:45, 30:60] = np.roll(now, 9, axis=1)[20:45, 30:60]
    found = register_pixels(registered(now), np.eye(3), search(False))
    assert largest_displacement(found.transform, SHIFT, BEFORE.shape) < 0.15


@pytest.mark.parametrize(("truth", "similarity"), [(SHIFT, False), (SIMILARITY, True)])
def test_only_a_part_is_used(truth, similarity):
    now = warp(BEFORE, truth)
    now[:, 80:] = 0.0
    inner = np.s_[5:-5:2, 5:70:2]
    found = register_pixels(registered(now), np.eye(3), search(similarity, 20), inner)
    assert largest_displacement(found.transform, truth, BEFORE.shape) < 0.25


@pytest.mark.parametrize("strongest", [1.0, 0.25])
def test_images_without_edges_stay(strongest):
    flat = np.full_like(BEFORE, 0.5)
    still = Registered(np.eye(3), MatchedBlur(flat, flat, 0 * flat))
    found = register_pixels(lambda transform: still, np.eye(3), search(True, 3, strongest))
    np.testing.assert_allclose(found.transform, np.eye(3), atol=1e-9)
