"""Slices downscaled to the size that they are compared at."""

import numpy as np
import pytest

from aif_ros.fusion.motion.downscaled_slice import (
    DownscaledSlice,
    aligned,
    downscaled_transform,
)
from aif_ros.fusion.motion.geometry import translation
from aif_ros.simulation.scenes.planes import texture

GRAY = texture((320, 240), np.random.default_rng(1))[..., 1].copy()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_slices_of_any_type_become_floating_point(dtype):
    small = DownscaledSlice.of((100 * GRAY).astype(dtype), None, 80)
    assert small.image.shape == (60, 80) and small.image.dtype == np.float32
    assert small.valid is None
    assert small.valid_mask.all() and small.valid_mask.shape == (60, 80)


def test_what_is_beside_missing_data_is_not_valid():
    valid = np.ones(GRAY.shape, bool)
    valid[:, :160] = False
    small = DownscaledSlice.of(GRAY, valid, 80)
    # Two pixels are lost to the smoothing.
    np.testing.assert_array_equal(small.valid_mask[30], np.arange(80) >= 42)


@pytest.mark.parametrize("shape", [(60, 80), (15, 20)])
def test_an_area_of_any_size_is_taken_out(shape):
    small = DownscaledSlice.of(GRAY, None, 80)
    area = np.zeros(shape, bool)
    area[: shape[0] // 3] = True
    assert small.without(None) is small
    rest = small.without(area)
    assert rest.image is small.image
    assert not rest.valid_mask[:20].any() and rest.valid_mask[20:].all()
    again = rest.without(np.flipud(area))
    assert not again.valid_mask[:20].any() and not again.valid_mask[40:].any()


def test_a_shift_is_downscaled_with_the_slice():
    small = DownscaledSlice.of(GRAY, None, 80)
    warp = downscaled_transform(small, translation(8.0, -4.0), (320, 240))
    np.testing.assert_allclose(warp, [[1, 0, 2], [0, 1, -1]], atol=1e-6)


def test_slices_are_aligned_where_both_hold_data():
    valid = np.ones(GRAY.shape, bool)
    valid[200:] = False
    first = DownscaledSlice.of(GRAY, valid, 320)
    second = DownscaledSlice.of(np.roll(GRAY, 40, axis=1), None, 320)
    warp = np.float32([[1, 0, 40], [0, 1, 0]])
    one, other, common = aligned(first, second, warp)
    assert one.shape == other.shape == common.shape == (120, 160)
    np.testing.assert_allclose(one[common], other[common], atol=1e-5)
    assert common[:98, :138].all()
    assert not common[100:].any() and not common[:, 141:].any()
