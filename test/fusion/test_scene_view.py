"""What a slice shows, and whether another one shows the same."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.scene_view import SceneView, describe_blank, scene_thumbnail
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8


def view(seed=0, blur=0.0, shift=0, level=1.0):
    image = texture((320, 240), np.random.default_rng(seed))
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    return SceneView(scene_thumbnail(to_uint8(level * np.roll(image, shift, axis=1))))


NOISE = SceneView(
    scene_thumbnail(to_uint8(np.random.default_rng(1).random((240, 320), np.float32)))
)


def test_thumbnails_are_gray_and_160_pixels_wide():
    thumbnail = scene_thumbnail(np.zeros((480, 640, 3), np.uint8), np.ones((480, 640), bool))
    assert thumbnail.image.shape == (120, 160) and thumbnail.image.dtype == np.float32
    assert thumbnail.valid_mask[5:-5, 5:-5].all()


@pytest.mark.parametrize("other", [{"blur": 8.0}, {"shift": 8}, {"level": 0.5}])
def test_blur_drift_and_brightness_leave_the_scene_alike(other):
    assert view().is_like(view(**other)) and view(**other).is_like(view())


def test_another_scene_is_not_alike():
    assert not view().is_like(view(seed=1))


def test_a_wrong_registration_does_not_match():
    transforms = [np.float32([[1, 0, x], [0, 1, 0]]) for x in (0, 25)]
    assert [view().matches(view(blur=2.0), each) for each in transforms] == [True, False]


def test_noise_and_plain_colour_show_nothing():
    usual = view()
    blank = view(level=0.0)
    assert blank.shows_nothing_beside(usual.deviation)
    assert not usual.shows_nothing_beside(usual.deviation)
    assert not NOISE.shows_nothing_beside(usual.deviation)
    assert NOISE.shows_noise_beside(10 * NOISE.contrast, 0.0)
    assert not NOISE.shows_noise_beside(10 * NOISE.contrast, NOISE.grain[1])
    assert not view(blur=2.0).shows_noise_beside(10 * usual.contrast, 0.0)


def test_a_slice_with_little_structure_is_not_judged():
    usual = view().contrast
    assert view(blur=1.0).has_structure_beside(usual)
    assert not view(blur=40.0).has_structure_beside(usual)
    assert not view(level=0.0).has_structure_beside(0.0)


@pytest.mark.parametrize(
    ("level", "name"), [(0.0, "black"), (1.0, "white"), (0.5, "of one colour")]
)
def test_blank_images_are_described(level, name):
    assert describe_blank(np.full((4, 4), level, np.float32)) == name
