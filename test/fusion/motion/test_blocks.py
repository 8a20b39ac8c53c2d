"""Blocks of an image."""

import numpy as np
import pytest

from aif_ros.fusion.motion.blocks import block_grid, block_means, gradient


@pytest.mark.parametrize(
    ("shape", "grid"), [((240, 320), (12, 9)), ((320, 240, 3), (9, 12)), ((20, 900), (12, 2))]
)
def test_the_longer_side_has_twelve_blocks(shape, grid):
    assert block_grid(shape) == grid


def test_each_block_has_the_mean_of_its_pixels():
    image = np.zeros((8, 12), np.float32)
    image[:4, 8:] = 6.0
    np.testing.assert_allclose(block_means(image, (3, 2)), [[0, 0, 6], [0, 0, 0]])


def test_the_gradient_is_per_pixel():
    down, across = np.mgrid[:10, :12].astype(np.float32)
    slopes = [each[1:-1, 1:-1] for each in gradient(2 * across - 3 * down)]
    np.testing.assert_allclose(slopes[0], 2.0)
    np.testing.assert_allclose(slopes[1], -3.0)
