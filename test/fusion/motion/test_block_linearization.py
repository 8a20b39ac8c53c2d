"""Setting up the normal equations of two images."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.block_linearization import ImagePair, block_equations
from aif_ros.fusion.motion.blocks import block_grid
from aif_ros.fusion.motion.motion_parameters import SIMILARITY, motion_matrix
from aif_ros.simulation.scenes.planes import texture

SIZE = (160, 120)
SHAPE = SIZE[::-1]
SCENE = cv2.GaussianBlur(100 * texture(SIZE, np.random.default_rng(2))[..., 1], (0, 0), 2.0)
COUNT = int(np.prod(block_grid(SHAPE)))
MOTION = np.array([0.4, -0.3, 0.3, 0.2, 0.0, 0.0])


def moved(motion):
    return cv2.warpAffine(
        SCENE,
        motion_matrix(motion, SHAPE)[:2],
        SIZE,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def pair(second, valid=None, equalized=None, shift=0.0):
    whole = np.ones(SHAPE, np.uint8)
    return ImagePair(
        SCENE,
        np.asarray(second, np.float32),
        (whole, whole if valid is None else valid),
        np.ones(COUNT, bool) if equalized is None else equalized,
        np.full((COUNT, 2), shift),
    )


@pytest.mark.parametrize("gain", [1.0, 1.3])
@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_motion_is_found_in_spite_of_blur_and_contrast(gain, blur):
    second = gain * moved(MOTION) + 5.0
    second = cv2.GaussianBlur(second, (0, 0), blur) if blur else second
    equations = block_equations([pair(second)], np.eye(3), SHAPE)
    np.testing.assert_allclose(equations.solve(SIMILARITY)[0], MOTION[:4], atol=0.08)


def test_about_the_right_transform_nothing_is_left():
    equations = block_equations([pair(moved(MOTION))], motion_matrix(MOTION, SHAPE), SHAPE)
    np.testing.assert_allclose(equations.solve(SIMILARITY)[0], 0, atol=0.02)


def test_downscaled_pairs_count_in_pixels_of_the_full_size():
    large = 4 * SHAPE[0], 4 * SHAPE[1]
    equations = block_equations([pair(moved(MOTION))], np.eye(3), large)
    np.testing.assert_allclose(equations.solve(SIMILARITY)[0], 4 * MOTION[:4], atol=0.35)


def test_blocks_without_data_or_with_unequal_blur_have_no_say():
    valid = np.ones(SHAPE, np.uint8)
    valid[:, :80] = 0
    equalized = np.arange(COUNT) % 2 == 0
    second = moved(MOTION)
    second[:, :80] = 0
    equations = block_equations([pair(second, valid, equalized)], np.eye(3), SHAPE)
    informed = np.trace(equations.information, axis1=1, axis2=2) > 0
    assert not informed[~equalized].any()
    left = np.arange(COUNT) % block_grid(SHAPE)[0] < block_grid(SHAPE)[0] // 2
    assert not informed[left].any()
    assert informed[~left & equalized].mean() > 0.9
    np.testing.assert_allclose(equations.solve((0, 1))[0], MOTION[:2], atol=0.3)


def test_the_bias_of_blur_is_in_pixels_of_the_full_size():
    equations = block_equations([pair(SCENE, shift=0.5)], np.eye(3), (240, 320))
    expected = np.einsum("nij,j->ni", equations.information, [1.0, 1.0])
    np.testing.assert_allclose(equations.blur_bias, expected)


def test_without_images_nothing_is_known():
    equations = block_equations([], np.eye(3), SHAPE)
    assert not equations.information.any() and not equations.information_vector.any()
