"""Registration of the images of a sweep."""

import cv2
import numpy as np
import pytest

from aif_ros.calibration.sweep_registration import register_sweep

RANDOM = np.random.default_rng(3)
SCENE = cv2.GaussianBlur(RANDOM.random((240, 320), dtype=np.float32), (0, 0), 2)
SCENE = (SCENE - SCENE.min()) / (SCENE.max() - SCENE.min())


def seen(magnification, sigma):
    matrix = cv2.getRotationMatrix2D((159.5, 119.5), 0, magnification)
    image = cv2.warpAffine(SCENE, matrix, (320, 240), borderMode=cv2.BORDER_REFLECT_101)
    return cv2.GaussianBlur(image, (0, 0), sigma)


def test_the_magnification_of_each_image_is_measured():
    magnifications = [1.0, 1.004, 1.008, 1.012]
    images = [seen(each, 0.5 + index) for index, each in enumerate(magnifications)]
    scales = [transform[0, 0] for transform in register_sweep(images)]
    # From the coordinates of the most magnified one.
    assert scales == pytest.approx([each / 1.012 for each in magnifications], abs=5e-4)


def test_images_without_texture_count_as_still():
    flat = [np.full((60, 80), 0.5, np.float32)] * 3
    np.testing.assert_array_equal(register_sweep(flat), [np.eye(3)] * 3)
