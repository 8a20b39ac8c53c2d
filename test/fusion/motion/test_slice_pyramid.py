"""A slice at the sizes that it is registered at."""

import numpy as np
import pytest

from aif_ros.fusion.motion.slice_pyramid import SlicePyramid


@pytest.mark.parametrize(
    ("shape", "largest", "sides"),
    [
        ((30, 40), None, [40]),
        ((240, 320), None, [160, 320]),
        ((300, 600), None, [160, 480, 600]),
        ((1500, 2000), None, [160, 480, 1440]),
        ((1500, 2000), 480, [160, 480]),
        ((1500, 2000), 100, [160]),
    ],
)
def test_levels_go_from_small_to_large(shape, largest, sides):
    pyramid = SlicePyramid.of(np.zeros(shape, np.uint8), None, largest)
    assert [max(level.image.shape) for level in pyramid.levels] == sides
    assert [each.image.shape for each in pyramid.blur] == [
        level.image.shape for level in pyramid.levels
    ]
    assert pyramid.shape == shape and pyramid.size == shape[::-1]


def test_large_levels_need_not_equalize_large_blur():
    pyramid = SlicePyramid.of(np.zeros((1500, 2000), np.uint8), None, None)
    assert [each.sigmas[-1] for each in pyramid.blur] == [8.0, 4.0, 2.0]
