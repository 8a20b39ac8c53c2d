"""Warping images."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.geometry import translation
from aif_ros.fusion.motion.warping import resample, warp_image
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture

PICTURE = texture((80, 60), np.random.default_rng(0))


@pytest.mark.parametrize("shift", [(3, 5), (-4, 2), (3.25, -1.5), (70.5, 3), (90, -70), (-0.75, 0)])
def test_shifts_are_warped_as_any_transform_is(shift):
    transform = translation(*map(float, shift))
    expected = cv2.warpAffine(
        PICTURE,
        transform[:2],
        (70, 50),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    warped = warp_image(PICTURE, transform, (50, 70))
    assert warped.shape == (50, 70, 3) and warped.dtype == np.float32
    np.testing.assert_allclose(warped, np.clip(expected, 0, 1), atol=2e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_part_is_resampled_as_in_the_whole(dtype):
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = (PICTURE * full).astype(dtype)
    transform = np.array([[1.01, 0.02, 3.3], [-0.02, 0.99, -5.2], [0, 0, 1]])
    whole, place = resample(image, transform), (slice(20, 50), slice(30, 80))
    part = resample(image, transform, place)
    assert part.dtype == whole.dtype == dtype
    # Places between pixels are rounded to 1 / 32.
    assert psnr(part / full, whole[place] / full) > 45
