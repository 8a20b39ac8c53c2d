"""The mosaic that J is kept on while the camera moves."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.fuser import make_fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.estimation import Motion
from aif_ros.fusion.motion.mosaic import begin, move_view, view
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import shifted

# Blurs by 5 px radius per millimetre.
LENS = LensModel("test", 1e-6, (0.0, 1e-2), 5e3, 320)
WIDTH, HEIGHT = 240, 180
WIDE = texture((2 * WIDTH, HEIGHT), np.random.default_rng(5))
SHARP = np.ascontiguousarray(WIDE[:, :WIDTH])
LEFT = np.arange(WIDTH)[None, :, None] < WIDTH // 2


def blurred(image, sigma=3.0):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def moved(right, down):
    pose = np.eye(3)
    pose[:2, 2] = right, down
    return pose


def as_fused(image):
    plane = np.ones(image.shape[:2], np.float32)
    return Fused(image, plane, 1e-3 * plane, 1)


def motion(pose):
    return Motion(pose, np.zeros((18, 24, 2), np.float32), np.zeros((18, 24), np.float32))


def test_a_static_scene_is_unchanged():
    mosaic = begin(as_fused(SHARP))
    np.testing.assert_array_equal(view(mosaic).image, SHARP)
    assert (view(mosaic).sharpness == 1).all()


def test_what_left_the_view_is_still_there_when_it_comes_back():
    mosaic = begin(as_fused(SHARP))
    away = move_view(mosaic, motion(mosaic.pose @ moved(9.0, -5.0)))
    np.testing.assert_array_equal(view(away).image[5:, :-9], SHARP[:-5, 9:])
    back = move_view(away, motion(mosaic.pose))
    np.testing.assert_array_equal(view(back).image, SHARP)


def test_beyond_the_mosaic_a_new_one_is_begun():
    mosaic = begin(as_fused(SHARP))
    away = move_view(mosaic, motion(mosaic.pose @ moved(60.0, 0.0)))
    assert away.fused.image.shape == mosaic.fused.image.shape
    seen = view(away)
    np.testing.assert_allclose(seen.image[:, :-62], SHARP[:, 60:-2], atol=1e-5)
    assert (seen.sharpness[:, -40:] == 0).all()


@pytest.mark.parametrize("method", ["laplacian", "pyramid", "neural"])
def test_long_shaking_does_not_blur_the_picture(method):
    fuser, random = make_fuser(method, LENS), np.random.default_rng(0)
    fuser.add(SHARP, 0.0)
    for _ in range(12):
        now = shifted(SHARP, random.uniform(-6, 6, 2))
        fused = fuser.add(blurred(now), 1e-3)
    inner = (slice(16, -16), slice(16, -16))
    assert psnr(blurred(now)[inner], now[inner]) < 25
    assert psnr(fused.image[inner], now[inner]) > 28


@pytest.mark.parametrize("method", ["laplacian", "pyramid", "neural"])
def test_a_panning_camera_keeps_earlier_content(method):
    fuser = make_fuser(method, LENS)
    for t in range(20):
        now = np.ascontiguousarray(WIDE[:, 5 * t : 5 * t + WIDTH])
        frame = np.where((t % 2 == 0) == LEFT, now, blurred(now))
        fused = fuser.add(frame, 1e-3 * (t % 2))
        assert fused.image.shape == now.shape
    inner = (slice(8, -8), slice(8, -24))
    assert psnr(fused.image[inner], now[inner]) > psnr(frame[inner], now[inner]) + 4


@pytest.mark.parametrize("method", ["laplacian", "pyramid", "neural"])
@pytest.mark.parametrize("sigma", [0.3, 4.0])
def test_scene_cut_begins_a_new_picture(method, sigma):
    fuser = make_fuser(method, LENS)
    for t in range(3):
        fuser.add(SHARP, 1e-3 * t)
    other = blurred(texture((WIDTH, HEIGHT), np.random.default_rng(77)) ** 2, sigma)
    fused = fuser.add(other, 2e-3)
    assert psnr(fused.image, other) > 30


@pytest.mark.parametrize("method", ["pyramid", "neural"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5, 3), (33, 47), (65, 51, 3)])
def test_any_size(method, shape):
    fuser = make_fuser(method, LENS)
    for value in (0.3, 0.5, 1.0):
        fused = fuser.add(np.full(shape, value, np.float32), 1e-3)
        assert fused.image.shape == shape
        assert fused.sharpness.shape == shape[:2]
