"""Making two images equally blurred."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.blur_matching import BlurredCopy, block_grid, equally_blurred
from aif_ros.simulation.scenes.planes import texture

SCENE = 100 * texture((160, 120), np.random.default_rng(2))[..., 1]


def blurred(sigma):
    return cv2.GaussianBlur(SCENE, (0, 0), sigma)


@pytest.mark.parametrize("sigmas", [(0.5, 3.0), (3.0, 0.5), (1.5, 6.0)])
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_the_sharper_image_is_blurred_as_the_other(sigmas, gain):
    one, other = blurred(sigmas[0]), gain * blurred(sigmas[1])
    first, second, used, shifts = equally_blurred(BlurredCopy.of(one), BlurredCopy.of(other))
    before = np.abs(blurred(sigmas[0]) - blurred(sigmas[1])).mean()
    assert np.abs(first - second).mean() < 0.2 * before
    assert used.mean() > 0.9
    assert used.shape == shifts.shape[:2] == block_grid(SCENE.shape)[::-1]


def test_equal_images_stay_as_they_are():
    copy = BlurredCopy.of(blurred(1.0))
    first, second, used, shifts = equally_blurred(copy, copy)
    np.testing.assert_allclose(first, second)
    np.testing.assert_allclose(first, copy.image)
    assert used.all()
    assert np.abs(shifts).max() < 0.01


def test_each_place_is_blurred_by_what_it_needs():
    halves = np.where(np.arange(160) < 80, blurred(0.5), blurred(4.0))
    first, *_ = equally_blurred(BlurredCopy.of(halves), BlurredCopy.of(halves[:, ::-1]))
    left, right = np.s_[20:-20, 12:60], np.s_[20:-20, 100:-12]
    copy = BlurredCopy.of(halves).image
    np.testing.assert_allclose(first[right], copy[right], atol=1.0)
    assert np.diff(first[left]).std() < 0.6 * np.diff(copy[left]).std()


def test_differences_larger_than_the_largest_filter_are_not_used():
    _, _, used, _ = equally_blurred(
        BlurredCopy.of(blurred(0.3), 2.0), BlurredCopy.of(blurred(8.0), 2.0)
    )
    assert used.mean() < 0.2
