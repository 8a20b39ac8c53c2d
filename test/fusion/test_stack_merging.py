"""Merging what is valid in the slices of a stack."""

import numpy as np
from disk_stack import SHAPE

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.geometry import translation
from aif_ros.fusion.stack_merging import MergedStack, cropped, remaining_holes


def test_holes_are_what_no_slice_shows():
    valid = np.ones(SHAPE, bool)
    valid[:20] = False
    still = np.eye(3)
    assert remaining_holes(None, SHAPE, [still], None) is None
    first = remaining_holes(None, SHAPE, [still], valid)
    np.testing.assert_array_equal(first, ~valid)
    moved = remaining_holes(first, SHAPE, [still, translation(0.0, 10.0)], valid)
    assert moved[:10].all() and not moved[10:].any()
    # A first slice that was valid everywhere leaves none.
    assert not remaining_holes(None, SHAPE, [still, still], valid).any()


def test_what_not_all_slices_show_is_cropped():
    plane = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    merged = MergedStack(Fused(plane, plane, plane, 2), plane > 5, False)
    transforms = [np.eye(3), translation(4.0, -6.0)]
    rest, moved = cropped(merged, transforms)
    np.testing.assert_array_equal(rest.fused.image, plane[6:, :156])
    assert rest.holes.shape == (114, 156)
    np.testing.assert_allclose(moved[0], translation(0.0, 6.0))
    np.testing.assert_allclose(moved[1], translation(4.0, 0.0))
