"""What moves by itself from one frame to the next."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import shifted

WIDTH, HEIGHT = 320, 240
SHARP = texture((WIDTH, HEIGHT), np.random.default_rng(5))
THING = texture((90, 90), np.random.default_rng(2))
INSIDE = (slice(85, 145), slice(115, 175))
STANDING = np.eye(3)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def with_thing(right, down=0):
    image = SHARP.copy()
    image[70 + down : 160 + down, 100 + right : 190 + right] = THING
    return image


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0])
def test_a_thing_is_followed_however_blurred_the_frames_are(sigma):
    before, now = blurred(with_thing(0), sigma), blurred(with_thing(5, -2), sigma)
    flow = flow_between_frames(before, now, STANDING, 0.0)
    np.testing.assert_allclose(np.median(flow[INSIDE], axis=(0, 1)), (-5, 2), atol=0.3)
    assert (flow[:40] == 0).mean() > 0.95


def test_the_motion_of_the_camera_is_no_motion_of_things():
    now = shifted(SHARP, (4.0, -3.0))
    shift = np.array([[1.0, 0.0, -4.0], [0.0, 1.0, 3.0], [0.0, 0.0, 1.0]])
    flow = flow_between_frames(SHARP, now, shift, 0.0)
    assert (flow[20:-20, 20:-20] == 0).all()


@pytest.mark.parametrize("sigmas", [(1.0, 2.0), (3.0, 5.0), (5.0, 6.0)])
def test_a_known_change_of_blur_is_no_motion(sigmas):
    before, now = (blurred(SHARP, sigma) for sigma in sigmas)
    # A disk spreads light as far as a Gaussian of half its radius.
    flow = flow_between_frames(before, now, STANDING, 2 * abs(sigmas[1] - sigmas[0]))
    assert (flow == 0).mean() > 0.98


def test_noise_is_no_motion():
    random = np.random.default_rng(0)
    before, now = (np.float32(SHARP + 0.01 * random.standard_normal(SHARP.shape)) for _ in range(2))
    assert not flow_between_frames(before, now, STANDING, 0.0).any()


@pytest.mark.parametrize("shape", [(1, 1, 3), (33, 47), (40, 300, 3)])
def test_any_size(shape):
    flat = np.full(shape, 0.5, np.float32)
    flow = flow_between_frames(flat, flat, STANDING, 1.0)
    assert flow.shape == (*shape[:2], 2)
    assert not flow.any()
