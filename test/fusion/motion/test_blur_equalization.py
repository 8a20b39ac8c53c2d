"""Blur equalization."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.blocks import block_grid
from aif_ros.fusion.motion.blur_equalization import (
    BlurMeasurement,
    BlurSeries,
    blur_candidates,
    box_blur,
    equalize_blur,
)
from aif_ros.simulation.scenes.planes import texture

SCENE = 100 * texture((160, 120), np.random.default_rng(2))[..., 1]


def blurred(sigma):
    return cv2.GaussianBlur(SCENE, (0, 0), sigma)


@pytest.mark.parametrize("sigmas", [(0.5, 3.0), (3.0, 0.5), (1.5, 6.0)])
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_the_sharper_image_is_blurred_as_the_other(sigmas, gain):
    one, other = blurred(sigmas[0]), gain * blurred(sigmas[1])
    first, second, used, shifts = equalize_blur(BlurMeasurement.of(one), BlurMeasurement.of(other))
    before = np.abs(blurred(sigmas[0]) - blurred(sigmas[1])).mean()
    assert np.abs(first - second).mean() < 0.2 * before
    assert used.mean() > 0.9
    assert used.shape == shifts.shape[:2] == block_grid(SCENE.shape)[::-1]


def test_equal_images_stay_as_they_are():
    copy = BlurMeasurement.of(blurred(1.0))
    first, second, used, shifts = equalize_blur(copy, copy)
    np.testing.assert_allclose(first, second)
    np.testing.assert_allclose(first, copy.image)
    assert used.all()
    assert np.abs(shifts).max() < 0.01


def test_each_place_is_blurred_by_what_it_needs():
    halves = np.where(np.arange(160) < 80, blurred(0.5), blurred(4.0))
    first, *_ = equalize_blur(BlurMeasurement.of(halves), BlurMeasurement.of(halves[:, ::-1]))
    left, right = np.s_[20:-20, 12:60], np.s_[20:-20, 100:-12]
    copy = BlurMeasurement.of(halves).image
    np.testing.assert_allclose(first[right], copy[right], atol=1.0)
    assert np.diff(first[left]).std() < 0.6 * np.diff(copy[left]).std()


def test_differences_larger_than_the_largest_filter_are_not_used():
    _, _, used, _ = equalize_blur(
        BlurMeasurement.of(blurred(0.3), 2.0), BlurMeasurement.of(blurred(8.0), 2.0)
    )
    assert used.mean() < 0.2


def test_candidates_blur_either_image_and_each_version_once():
    made = []

    def series(name):
        def blur(amount):
            made.append((name, amount))
            return f"{name}{amount}"

        return BlurSeries(name, blur)

    first, second = series("a"), series("b")
    expected = [("a1", "b"), ("a", "b1"), ("a2", "b"), ("a", "b2")]
    for _ in range(2):
        assert list(blur_candidates(first, second, (1, 2))) == expected
    assert made == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_boxes_blur_one_after_the_other():
    point = np.zeros((9, 9), np.float32)
    point[4, 4] = 1.0
    np.testing.assert_allclose(box_blur(point, 3)[3:6, 3:6], 1 / 9)
    twice = box_blur(point, 3, 3)
    assert twice[4, 4] == twice.max()
    assert np.count_nonzero(twice) == 25
