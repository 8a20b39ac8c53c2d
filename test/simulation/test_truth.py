"""The scene as it really is, in the geometry of the fused image."""

import numpy as np
import pytest

from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.truth import Truth, to_reference_geometry

BREATHING = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 64, breathing_per_metre=60.0)
STILL = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 64)


class Scene:
    """A scene that counts how often it is looked at."""

    name, size = "counted", (64, 48)

    def __init__(self, *, moving):
        self.moving, self.times = moving, []
        random = np.random.default_rng(0)
        self.image = random.random((48, 64, 3), np.float32)
        self.focus = np.where(np.arange(64) < 32, 2e-4, 8e-4).astype(np.float32)[None]
        self.focus = self.focus.repeat(48, axis=0)

    def view(self, seconds):
        self.times.append(seconds)
        return SceneView(self.image, self.focus, (seconds, 0.0))


@pytest.mark.parametrize("lens", [STILL, BREATHING])
def test_is_in_the_geometry_of_the_fused_image(lens):
    scene = Scene(moving=False)
    image, focus = Truth(scene, lens).at(0.0)
    scale = lens.breathing_scale(0.0)
    np.testing.assert_array_equal(image, remove_breathing(scene.image, scale))
    assert set(np.unique(focus)) <= set(np.unique(scene.focus))
    # The edge in the middle stays there; nothing but what lies beyond the border is lost.
    assert (np.diff(focus[24]) > 0).nonzero()[0].tolist() == [31]
    assert focus.shape == (48, 64)


def test_a_still_scene_is_looked_at_once_whatever_the_time():
    scene = Scene(moving=False)
    truth = Truth(scene, STILL)
    assert truth.at(3.0)[0] is truth.at(7.0)[0]
    assert scene.times == [0.0]


def test_a_moving_scene_is_that_of_the_time_with_its_shift_carried_out():
    scene = Scene(moving=True)
    truth = Truth(scene, STILL)
    image, focus = truth.at(4.0)
    np.testing.assert_allclose(image[:, 10:50], scene.image[:, 6:46], atol=1e-5)
    np.testing.assert_array_equal(focus[:, 10:50], scene.focus[:, 6:46])
    assert truth.at(4.0)[0] is image
    truth.at(5.0)
    assert scene.times == [4.0, 5.0]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_frames_of_any_depth_come_into_that_geometry(dtype):
    image = np.full((48, 64, 3), 128 if dtype == np.uint8 else 128 / 255, dtype)
    reference = to_reference_geometry(image, 5e-4, BREATHING)
    assert reference.dtype == np.float32
    np.testing.assert_allclose(reference, 128 / 255, atol=1e-3)
