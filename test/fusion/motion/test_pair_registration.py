"""Registering two slices of a focal stack."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.motion_parameters import (
    SIMILARITY,
    expanded,
    motion_matrix,
    motion_parameters,
)
from aif_ros.fusion.motion.pair_registration import register_pair, register_pair_from
from aif_ros.fusion.motion.slice_pyramid import SlicePyramid
from aif_ros.simulation.scenes.planes import texture

SIZE = (240, 180)
SHAPE = SIZE[::-1]
SCENE = np.asarray(200 * texture(SIZE, np.random.default_rng(6))[..., 1], np.float32)


def pyramid(motion=None, blur=1.0, hidden=False):
    """A slice moved by parameters, blurred, with something in front of a part of it."""
    image = SCENE
    if motion is not None:
        matrix = motion_matrix(np.asarray(motion, float), SHAPE)[:2]
        image = cv2.warpAffine(
            image, matrix, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
    image = cv2.GaussianBlur(image, (0, 0), blur)
    if hidden:
        image[60:150, 20:110] = 10.0
    return SlicePyramid.of(np.clip(image, 0, 255).astype(np.uint8), None, None)


def solved(equations):
    return expanded(equations.solve(SIMILARITY)[0], SIMILARITY)


@pytest.mark.parametrize("blur", [1.0, 2.5])
@pytest.mark.parametrize("motion", [(0.6, -0.4, 0, 0, 0, 0), (20, -14, 5, 8, 0, 0)])
def test_small_and_large_motions_are_found_though_the_blur_changes(motion, blur):
    found = solved(register_pair(pyramid(), pyramid(motion, blur)))
    np.testing.assert_allclose(found, motion, atol=0.25)


def test_slices_that_differ_by_blur_alone_have_not_moved():
    found = solved(register_pair(pyramid(), pyramid(blur=4.0)))
    np.testing.assert_allclose(found, 0, atol=0.2)


def test_what_is_in_front_of_a_slice_does_not_bias_its_motion():
    motion = (3, 2, 1, 0, 0, 0)
    found = solved(register_pair(pyramid(), pyramid(motion, hidden=True)))
    np.testing.assert_allclose(found, motion, atol=0.4)


def test_a_known_motion_is_improved():
    motion, start = np.array([9.0, -6, 3, 2, 0, 0]), np.array([8.6, -5.7, 2.8, 2.1, 0, 0])
    equations = register_pair_from(pyramid(), pyramid(motion), motion_matrix(start, SHAPE))
    np.testing.assert_allclose(solved(equations), motion, atol=0.2)
    assert np.abs(motion_parameters(motion_matrix(start, SHAPE), SHAPE) - start).max() < 1e-9


@pytest.mark.parametrize(
    "register", [register_pair, lambda *pair: register_pair_from(*pair, np.eye(3))]
)
def test_images_that_are_too_small_show_no_motion(register):
    small = SlicePyramid.of(SCENE[:20, :60].astype(np.uint8), None, None)
    assert not register_pair(small, small).information.any()
    assert not register_pair_from(small, small, np.eye(3)).information.any()
