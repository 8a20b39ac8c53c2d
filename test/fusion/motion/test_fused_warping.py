"""Warping J with all that belongs to it."""

import numpy as np

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.fused_warping import (
    RESAMPLED,
    replace_mismatches,
    warp_along_flow,
    warp_fused,
)
from aif_ros.fusion.motion.geometry import translation
from aif_ros.simulation.scenes.planes import texture

PICTURE = texture((80, 60), np.random.default_rng(0))


def fused(image=PICTURE):
    shape = image.shape[:2]
    return Fused(image.copy(), np.ones(shape, np.float32), np.full(shape, 0.001, np.float32), 1)


def test_whole_pixels_lose_no_sharpness_and_others_do():
    whole, half = (warp_fused(fused(), translation(x, 0.0), (40, 40)) for x in (2.0, 2.5))
    np.testing.assert_array_equal(whole.image, PICTURE[:40, 2:42])
    assert whole.sharpness.min() == 1
    np.testing.assert_allclose(half.sharpness, RESAMPLED, rtol=1e-5)


def test_what_j_does_not_cover_has_no_sharpness():
    warped = warp_fused(fused(), translation(-5.0, 0.0), (40, 40))
    assert not warped.sharpness[:, :5].any() and warped.sharpness[:, 5:].all()


def test_only_what_moves_is_resampled():
    before, flow = fused(), np.zeros((30, 40, 2), np.float32)
    flow[10:14, 10:14, 0] = 2.0
    after = warp_along_flow(before, flow, np.zeros((30, 40), np.float32))
    assert (after.sharpness[20:28, 20:28] < 1).all()
    np.testing.assert_allclose(after.image[24, 24], PICTURE[24, 28], atol=1e-5)
    for rows in (np.s_[:16], np.s_[34:]):
        np.testing.assert_array_equal(after.image[rows], PICTURE[rows])
        assert after.sharpness[rows].min() == 1
    np.testing.assert_array_equal(before.image, PICTURE)


def test_mismatches_are_replaced_and_nothing_else():
    frame = 1 - PICTURE
    mismatch = np.zeros((30, 40), np.float32)
    mismatch[10:20, 10:20] = 1.0
    before = warp_along_flow(fused(), np.zeros((30, 40, 2), np.float32), mismatch)
    after = replace_mismatches(before, frame)
    np.testing.assert_allclose(after.image[24:36, 24:36], frame[24:36, 24:36], atol=1e-6)
    assert not after.sharpness[24:36, 24:36].any()
    np.testing.assert_array_equal(after.image[:10], PICTURE[:10])
    np.testing.assert_array_equal(before.image, PICTURE)
    assert after.mismatch is None


def test_a_view_is_not_changed_by_later_merges():
    state = mosaic.begin(fused())
    seen = mosaic.view(state)
    state.fused.image[:] = 0
    np.testing.assert_array_equal(seen.image, PICTURE)
