"""Fusion while camera and scene move."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.fuser import make_fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.estimation import estimate_motion
from aif_ros.fusion.motion.fused_warping import replace_mismatches
from aif_ros.fusion.motion.mosaic import begin, merge, view
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.renderer import Renderer
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView, shifted
from aif_ros.types.image import ImageError

# Blurs by 5 px radius per millimetre.
LENS = LensModel("test", 1e-6, (0.0, 1e-2), 5e3, 320)
WIDTH, HEIGHT = 320, 240
SHARP = texture((WIDTH, HEIGHT), np.random.default_rng(5))
INNER = (slice(24, -24), slice(24, -24))
LEFT = np.arange(WIDTH)[None, :, None] < WIDTH // 2


def blurred(image, sigma=4.0):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def as_fused(image):
    plane = np.ones(image.shape[:2], np.float32)
    return Fused(image, plane, 1e-3 * plane, 3)


def carried_over(image, now):
    """J as it is merged with `now`."""

    class Keeps:
        def merge(self, frame, position, fused):
            return replace_mismatches(fused, frame)

    mosaic = begin(as_fused(image))
    motion = estimate_motion(mosaic.fused.image, now, mosaic.pose @ register_frames(image, now))
    return view(merge(mosaic, Keeps(), now, 0.0, motion))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (7.0, -4.0), (-12.5, 9.3)])
def test_follows_the_camera_though_the_frame_is_blurred(shift):
    now = shifted(SHARP, shift)
    carried = carried_over(SHARP, blurred(now))
    assert psnr(carried.image[INNER], now[INNER]) > 30
    assert (carried.sharpness[INNER] > 0.5).mean() > 0.97


def test_what_has_left_is_not_warped():
    now = SHARP.copy()
    now[60:160, 100:200] = 1 - texture((100, 100), np.random.default_rng(9))
    carried = carried_over(SHARP, now)
    inside = (slice(70, 150), slice(110, 190))
    assert carried.sharpness[inside].mean() < 0.1
    assert psnr(carried.image[inside], now[inside]) > 24
    assert (carried.sharpness[:40] == 1).mean() > 0.95


def test_object_is_followed_before_a_still_background():
    picture = texture((90, 90), np.random.default_rng(2))
    before, now = SHARP.copy(), SHARP.copy()
    before[70:160, 100:190] = picture
    now[70:160, 108:198] = picture
    carried = carried_over(before, blurred(now, 1.5))
    inside = (slice(90, 140), slice(125, 180))
    assert psnr(carried.image[inside], now[inside]) > 26
    assert carried.sharpness[inside].mean() > 0.75


@pytest.mark.parametrize("method", ["laplacian"])
def test_sharp_parts_survive_a_shaking_camera(method):
    fuser = make_fuser(method, LENS)
    random = np.random.default_rng(0)
    for t in range(6):
        now = shifted(SHARP, random.uniform(-6, 6, 2))
        frame = np.where((t % 2 == 0) == LEFT, now, blurred(now))
        fused = fuser.add(frame, 1e-3 * t)
    assert psnr(fused.image[INNER], now[INNER]) > psnr(frame[INNER], now[INNER]) + 4


def test_scene_cut_leaves_nothing_behind():
    fuser = make_fuser("laplacian", LENS)
    fuser.add(SHARP, 1e-3)
    other = texture((WIDTH, HEIGHT), np.random.default_rng(77)) ** 2
    fused = fuser.add(other, 2e-3)
    assert psnr(fused.image, other) > 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 5, 3), (33, 47), (64, 50, 3)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_any_size_and_flat_frames(shape, level):
    fuser = make_fuser("laplacian", LENS)
    for value in (0.3, level):
        fused = fuser.add(np.full(shape, value, np.float32), 1e-3)
    assert fused.image.shape == shape
    np.testing.assert_allclose(fused.image, level, atol=0.06)


def test_blur_is_not_taken_for_motion():
    random = np.random.default_rng(3)

    def noisy(image):
        return np.float32(image + 0.01 * random.standard_normal(SHARP.shape))

    for sigma in (2.0, 4.0, 6.0):
        frame = np.where(LEFT, blurred(SHARP, sigma), blurred(SHARP, sigma / 2))
        motion = estimate_motion(noisy(SHARP), noisy(frame))
        assert (motion.pose == np.eye(3)).all()
        assert (motion.flow == 0).mean() > 0.95


@pytest.mark.parametrize("shift", [(4.0, -3.0), (-9.3, 6.1)])
def test_motion_of_the_camera_is_found_to_a_fraction_of_a_pixel(shift):
    now = np.where(LEFT, blurred(shifted(SHARP, shift)), shifted(SHARP, shift))
    before = np.where(LEFT, SHARP, blurred(SHARP, 2.0))
    motion = estimate_motion(before, now, register_frames(before, now))
    corners = np.array([[[0, 0]], [[WIDTH, 0]], [[0, HEIGHT]], [[WIDTH, HEIGHT]]], float)
    moved = cv2.transform(corners, motion.pose[:2]) - corners
    assert np.abs(moved + shift).max() < 0.2
    assert (motion.flow == 0).mean() > 0.95


@pytest.mark.parametrize("method", ["laplacian", "neural"])
def test_moving_focus_away_keeps_the_image_sharp(method):
    """An object before a background, each in focus once; then both are blurred by turns."""
    focus = np.full((HEIGHT, WIDTH), 1e-3, np.float32)
    focus[60:180, 90:230] = 4e-3
    renderer = Renderer(SceneView(SHARP, focus), LENS)
    fuser = make_fuser(method, LENS)
    fused = [
        fuser.add(renderer.render(1e-3 * position), 1e-3 * position)
        for position in (1, 2, 3, 4, 3, 2, 1, 2, 3, 4)
    ]
    quality = [psnr(each.image, SHARP) for each in fused]
    assert quality[3] > quality[0] + 3
    assert min(quality[4:]) > quality[3] - 1


def test_following_a_frame_merges_nothing_of_it():
    fuser = make_fuser("laplacian", LENS)
    assert fuser.follow(SHARP, 1e-3) is None
    fuser.add(SHARP, 1e-3)
    now = shifted(SHARP, (6.0, -4.0))
    fused = fuser.follow(blurred(now), 2e-3)
    assert psnr(fused.image[INNER], now[INNER]) > psnr(blurred(now)[INNER], now[INNER]) + 4
    assert fused.frames == 1


def test_a_moving_object_stays_sharp_while_focus_moves_away():
    thing = texture((90, 90), np.random.default_rng(2))
    fuser = make_fuser("laplacian", LENS)
    for t in range(10):
        now = SHARP.copy()
        now[70:160, 60 + 6 * t : 150 + 6 * t] = thing
        # A disk spreads light as far as a Gaussian of half its radius.
        radius = 0.8 * t
        frame = blurred(now, radius / 2) if t else now
        fused = fuser.add(frame, 1e-3 * (1 + radius / 5))
    inside = (slice(80, 150), slice(70 + 6 * t, 140 + 6 * t))
    assert psnr(fused.image[inside], now[inside]) > psnr(frame[inside], now[inside]) + 6


def test_a_still_picture_follows_nothing():
    fuser = make_fuser("laplacian")
    fused = fuser.add(SHARP, 1e-3)
    assert fuser.follow(shifted(SHARP, (6.0, -4.0)), 2e-3) is fused


def test_a_frame_of_another_shape_cannot_be_followed():
    fuser = make_fuser("laplacian", LENS)
    fused = fuser.add(SHARP, 1e-3)
    with pytest.raises(ImageError, match="does not fit"):
        fuser.follow(SHARP[:-2], 1e-3)
    assert fuser.fused is fused


def test_an_object_as_bright_as_its_background_leaves_no_trail():
    gray = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    # As bright as the gray, by the weights of luma.
    yellow = np.array([0.72, 0.5, -0.07], np.float32).clip(0, 1)
    yellow[1] = (0.5 - 0.299 * yellow[0] - 0.114 * yellow[2]) / 0.587
    before = gray + 0.05 * (SHARP - 0.5)
    now = before.copy()
    before[80:160, 100:200] = yellow
    carried = carried_over(before, now)
    assert np.abs(carried.image[INNER] - now[INNER]).max() < 0.1
