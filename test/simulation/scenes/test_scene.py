"""Views of scenes, and their shift."""

import cv2
import numpy as np
import pytest

from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.scenes.scene import SceneView, shifted

LENS = LensModel.load(DEFAULT_CALIBRATION)
IMAGE = np.random.default_rng(0).random((20, 30, 3), np.float32)


@pytest.mark.parametrize("shift", [(3, 0), (-4, 5), (0, -2)])
def test_whole_pixels_are_moved_exactly(shift):
    right, down = shift
    moved = shifted(IMAGE, (float(right), float(down)))
    inner = np.s_[6:-6, 6:-6]
    expected = np.roll(IMAGE, (down, right), axis=(0, 1))
    np.testing.assert_allclose(moved[inner], expected[inner], atol=1e-5)


def test_what_comes_in_is_mirrored():
    ramp = np.tile(np.arange(30, dtype=np.float32), (20, 1))
    assert shifted(ramp, (2.0, 0.0), cv2.INTER_NEAREST)[5, :4].tolist() == [2, 1, 0, 1]


def test_settled_carries_the_shift_out():
    view = open_scene("planes", LENS, width=64, pan=4.0).view(1.0)
    settled = view.settled()
    assert settled.shift == (0.0, 0.0)
    np.testing.assert_array_equal(settled.focus_position[:, :40], view.focus_position[:, 4:44])


def test_without_a_shift_a_view_is_its_own():
    view = SceneView(IMAGE, IMAGE[..., 0])
    assert view.settled() is view


def test_a_settled_view_stays_within_white_and_mixes_no_depths():
    """Cubic interpolation overshoots beside edges; a mean of two depths is a third."""
    image = (IMAGE > 0.5).astype(np.float32)
    focus = np.where(IMAGE[..., 0] > 0.5, 1e-3, 2e-3).astype(np.float32)
    settled = SceneView(image, focus, (0.5, 0.25)).settled()
    assert settled.image.min() >= 0.0
    assert settled.image.max() <= 1.0
    assert set(np.unique(settled.focus_position)) == {np.float32(1e-3), np.float32(2e-3)}
