"""Fusion by Laplacian pyramids."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from aif_ros.fusion.pyramid import PyramidFusion
from aif_ros.simulation.scenes.planes import texture

SHARP = texture((160, 128), np.random.default_rng(3))
LEFT = np.arange(160)[None, :, None] < 80


def blurred(image, sigma=3.0):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def merged(*images):
    fused = None
    for number, image in enumerate(images, 1):
        fused = PyramidFusion().merge(image, number * 1e-3, fused)
    return fused


def halves():
    """Two images, each sharp in one half."""
    soft = blurred(SHARP)
    return np.where(LEFT, SHARP, soft), np.where(LEFT, soft, SHARP)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (16, 31), (33, 47, 3), (65, 64), (130, 67, 3)])
def test_an_image_merged_with_itself_is_the_image(shape):
    """Taking a pyramid apart and building it up loses nothing, whatever the size."""
    image = np.random.default_rng(0).random(shape, np.float32)
    fused = merged(image, image)
    np.testing.assert_allclose(fused.image, image, atol=1e-6)
    assert (fused.source_position == np.float32(1e-3)).all()


def test_detail_comes_from_where_it_is_sharp_in_either_order():
    first, second = halves()
    for images, expected in (((first, second), (1e-3, 2e-3)), ((second, first), (2e-3, 1e-3))):
        fused = merged(*images)
        assert np.abs(fused.image - SHARP)[:, :70].max() < 0.02
        assert np.abs(fused.image - SHARP)[:, 90:].max() < 0.02
        assert (fused.source_position[:, :70] == np.float32(expected[0])).mean() > 0.95
        assert (fused.source_position[:, 90:] == np.float32(expected[1])).mean() > 0.95


def test_what_no_band_holds_is_averaged_by_detail():
    """Two flat images of different brightness: as much of each."""
    dark, bright = (np.full((64, 64), level, np.float32) for level in (0.2, 0.6))
    np.testing.assert_allclose(merged(dark, bright).image, 0.4, atol=1e-3)
    detailed = np.clip(bright + 0.3 * (SHARP[:64, :64, 0] - 0.5), 0, 1)
    assert merged(dark, detailed).image.mean() == pytest.approx(detailed.mean(), abs=0.02)


def test_the_result_lies_in_the_range_of_images():
    """Bands of two images with strong edges add up to more than white."""
    random = np.random.default_rng(1)
    first = (random.random((64, 64)) > 0.5).astype(np.float32)
    second = 1 - blurred(first, 1.0)
    fused = merged(first, second)
    assert (fused.image.min(), fused.image.max()) == (0.0, 1.0)


def test_sharpness_is_the_highest_so_far():
    first, second = halves()
    fused = merged(first, second)
    alone = [merged(each).sharpness for each in (first, second)]
    np.testing.assert_allclose(fused.sharpness, np.maximum(*alone), rtol=1e-5)
    assert fused.frames == 2


def test_merging_leaves_its_arguments_as_they_are():
    first, second = halves()
    before = merged(first)
    kept = before.image.copy(), before.sharpness.copy(), second.copy()
    PyramidFusion().merge(second, 2e-3, before)
    for now, then in zip((before.image, before.sharpness, second), kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_merging_in_the_memory_of_the_frame_is_the_same():
    first, second = halves()
    expected = merged(first, second).image
    image = second.copy()
    fused = PyramidFusion().merge_overwriting(image, 2e-3, merged(first))
    assert fused.image is image
    np.testing.assert_array_equal(fused.image, expected)


def test_areas_that_do_not_match_come_from_the_new_image():
    first, second = halves()
    mismatch = np.zeros((64, 80), np.float32)
    mismatch[:, :30] = 1.0
    fused = PyramidFusion().merge(second, 2e-3, replace(merged(first), mismatch=mismatch))
    assert np.abs(fused.image - second)[:, :40].max() < 0.02
    assert fused.mismatch is None
