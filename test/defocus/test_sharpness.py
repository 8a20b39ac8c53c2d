import cv2
import numpy as np
import pytest

from aif_ros.defocus.sharpness import local_contrast, tenengrad


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(0.5, 0.1, (120, 160)).astype(np.float32)


def test_tenengrad_falls_with_blur(noise):
    assert tenengrad(cv2.GaussianBlur(noise, (0, 0), 2)) < 0.1 * tenengrad(noise)


def test_contrast_is_the_deviation_of_the_grey_levels(noise):
    contrast = local_contrast(noise, (3, 4))
    assert contrast.shape == (3, 4)
    assert contrast.dtype == np.float32
    np.testing.assert_allclose(contrast, 0.1, rtol=0.1)


def test_contrast_is_local_and_shading_has_none(noise):
    noise[:, 80:] = np.linspace(0.3, 0.5, 80)
    contrast = local_contrast(noise, (3, 4))
    assert (contrast[:, 0] > 5 * contrast[:, 3]).all()


def test_blur_takes_little_of_coarse_contrast():
    coarse = np.kron(np.random.default_rng(0).random((12, 16)), np.ones((10, 10)))
    coarse = coarse.astype(np.float32)
    blurred = cv2.GaussianBlur(coarse, (0, 0), 2)
    ratio = local_contrast(blurred, (3, 4)) / local_contrast(coarse, (3, 4))
    assert (ratio > 0.7).all()
    assert (ratio < 1).all()
