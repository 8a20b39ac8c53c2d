"""How far the camera turns from frame to frame."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.fuser import make_fuser
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import shifted

WIDTH, HEIGHT = 640, 480
SHARP = texture((WIDTH, HEIGHT), np.random.default_rng(5))


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


@pytest.mark.parametrize("shift", [(1.0, 0.5), (-9.3, 6.1), (18.0, -14.0)])
def test_shift_is_found_though_the_blur_changes(shift):
    before = blurred(SHARP, 5.0)
    now = blurred(shifted(SHARP, shift), 6.5)
    found = register_frames(before, now)
    np.testing.assert_allclose(found[:2, :2], np.eye(2))
    np.testing.assert_allclose(found[:2, 2], np.negative(shift), atol=0.15)


def test_blur_alone_is_no_shift():
    assert (register_frames(blurred(SHARP, 2.0), blurred(SHARP, 5.0)) == np.eye(3)).all()


def test_what_moves_by_itself_does_not_pull():
    before, now = SHARP.copy(), SHARP.copy()
    thing = texture((160, 160), np.random.default_rng(2))
    before[100:260, 100:260] = thing
    now[100:260, 108:268] = thing
    assert (register_frames(before, now) == np.eye(3)).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (40, 300, 3), (50, 50), (49, 97, 3)])
def test_any_size(shape):
    flat = np.full(shape, 0.5, np.float32)
    assert (register_frames(flat, flat) == np.eye(3)).all()


def test_a_slow_pan_is_followed_while_nothing_is_in_focus():
    lens = LensModel("test", 1e-6, (0.0, 1e-2), 5e3, WIDTH)
    fuser = make_fuser("laplacian", lens)
    for t in range(13):
        # Past the object's focus, at 1 mm, and far beyond it.
        position = 1e-3 * (1 + t / 4)
        frame = blurred(shifted(SHARP, (0.7 * t, 0.0)), 0.1 + 0.75 * t)
        fused = fuser.add(frame, position)
    inner = (slice(40, -40), slice(40, -40))
    truth = shifted(SHARP, (0.7 * 12, 0.0))
    assert (
        np.square(fused.image[inner] - truth[inner]).mean()
        < 0.1 * np.square(fused.image[inner] - shifted(SHARP, (0.7 * 12 - 2, 0.0))[inner]).mean()
    )
