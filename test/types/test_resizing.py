"""Downscaling images, and enlarging masks."""

import numpy as np
import pytest

from aif_ros.types.resizing import downscale, downscale_to_side, resize_mask, size_within


@pytest.mark.parametrize(
    ("shape", "side", "size"),
    [((48, 64), 16, (16, 12)), ((64, 48, 3), 16, (12, 16)), ((2, 900), 30, (30, 1))],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_longer_side_is_reduced(shape, side, size, dtype):
    small = downscale_to_side(np.ones(shape, dtype), side)
    assert size_within(shape, side) == size
    assert small.shape == (size[1], size[0], *shape[2:])
    assert small.dtype == dtype


def test_pixels_are_averaged():
    image = np.float32([[0, 1, 0, 0], [0, 1, 0, 4]])
    np.testing.assert_allclose(downscale(image, 0.5), [[0.5, 1.0]])


@pytest.mark.parametrize("side", [64, 100])
def test_small_images_are_not_enlarged(side):
    image = np.zeros((48, 64), np.float32)
    assert downscale_to_side(image, side) is image
    assert size_within(image.shape, side) == (64, 48)


def test_each_pixel_of_a_mask_covers_its_place():
    large = resize_mask(np.array([[True, False], [False, False]]), (4, 6, 3))
    assert large.dtype == bool
    np.testing.assert_array_equal(large, [[True] * 3 + [False] * 3] * 2 + [[False] * 6] * 2)
