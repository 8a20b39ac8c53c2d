"""Photometric error between images that are out of focus in different places."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.photometric_error import Reference, chroma_error, match_blur
from aif_ros.simulation.scenes.planes import texture

SCENE = texture((160, 120), np.random.default_rng(3))
GRAY = SCENE[..., 1].copy()
NO_BLUR = np.zeros_like(GRAY)
INNER = np.s_[12:-12, 12:-12]


def error(one, other, blur=NO_BLUR, **limits):
    return match_blur(one, Reference(other, blur), **limits).error[INNER].mean()


@pytest.mark.parametrize("side", [5, 11])
@pytest.mark.parametrize("swapped", [False, True])
def test_blur_is_no_error_whichever_image_has_it(side, swapped):
    pair = [GRAY, cv2.blur(GRAY, (side, side))]
    if swapped:
        pair.reverse()
    plain = np.abs(pair[0] - pair[1])[INNER].mean()
    assert error(*pair) < 0.25 * plain
    assert error(*pair) < 0.8 * error(*pair, largest_radius=0.0)


def test_motion_is_an_error():
    moved = np.roll(GRAY, 12, axis=1)
    assert error(GRAY, moved) > 5 * error(GRAY, cv2.blur(GRAY, (5, 5)))


def test_both_are_blurred_where_the_lens_blurs_the_frame():
    """Something near spreads over what is behind it, which blurring the reference cannot show."""
    reference = GRAY.copy()
    reference[:, 70:90] = 1.0
    frame = cv2.blur(reference, (13, 13))
    frame = np.where(frame > 0.6, frame, cv2.blur(GRAY, (13, 13))).astype(np.float32)
    assert error(frame, reference, np.full_like(GRAY, 6.0)) < 0.9 * error(frame, reference)


def test_colours_of_equal_brightness_differ():
    red, green = np.zeros((2, 40, 60, 3), np.float32)
    red[..., 0], green[..., 1] = 0.5, 0.5 * 0.299 / 0.587
    assert chroma_error(red, green).mean() > 0.1
    assert chroma_error(red, red).max() < 1e-4
