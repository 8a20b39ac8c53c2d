"""Registration by correlation."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice
from aif_ros.fusion.motion.ecc import maximise_correlation
from aif_ros.simulation.scenes.planes import texture

SIZE = (160, 120)
GRAY = cv2.GaussianBlur(texture(SIZE, np.random.default_rng(1))[..., 1], (0, 0), 2.0)
WARP = np.float32([[1.02, 0.01, 3.0], [-0.01, 1.01, -2.0]])
STILL = np.eye(2, 3, dtype=np.float32)
BACK = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def downscaled(image, valid=None):
    return DownscaledSlice(np.asarray(image, np.float32), valid)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 0.3)])
def test_the_transform_is_found_at_any_brightness(gain, offset):
    first = cv2.warpAffine(GRAY, WARP, SIZE, flags=BACK, borderMode=cv2.BORDER_REFLECT_101)
    found = maximise_correlation(downscaled(gain * first + offset), downscaled(GRAY), STILL)
    np.testing.assert_allclose(found[:, :2], WARP[:, :2], atol=2e-3)
    np.testing.assert_allclose(found[:, 2], WARP[:, 2], atol=0.15)
    assert not np.shares_memory(found, STILL)


@pytest.mark.parametrize("side", ["first", "second"])
def test_what_holds_no_data_does_not_count(side):
    first = cv2.warpAffine(GRAY, WARP, SIZE, flags=BACK, borderMode=cv2.BORDER_REFLECT_101)
    images = {"first": first, "second": GRAY.copy()}
    masks = dict.fromkeys(images)
    images[side][40:110, 30:120] = 1.0
    masks[side] = np.ones(SIZE[::-1], np.uint8)
    masks[side][35:115, 25:125] = 0
    pair = [downscaled(images[each], masks[each]) for each in images]
    found = maximise_correlation(*pair, STILL)
    np.testing.assert_allclose(found[:, 2], WARP[:, 2], atol=0.5)


def test_images_without_texture_do_not_correlate():
    with pytest.raises(cv2.error):
        maximise_correlation(downscaled(0 * GRAY), downscaled(GRAY), STILL)
