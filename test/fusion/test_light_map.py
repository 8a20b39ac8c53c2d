"""Averages of light over cells."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.flicker import COLUMNS, ROWS
from aif_ros.fusion.light_map import CELLS, EXPONENT, light_map, registered
from aif_ros.fusion.motion.geometry import translation
from aif_ros.simulation.scenes.planes import texture

SCENE = (0.1 + 0.7 * texture((320, 240), np.random.default_rng(5))).astype(np.float32)


@pytest.mark.parametrize("shape", [(240, 320, 3), (320, 240, 3), (240, 320), (30, 2000)])
def test_has_square_cells_along_the_longer_side(shape):
    light = light_map(np.full(shape, 0.5, np.float32))
    longer = max(shape[:2])
    cells = tuple(max(1, round(CELLS.along * side / longer)) for side in shape[:2])
    assert light.usable.shape == light.contrast.shape == cells
    assert light.light.shape == light.encoded.shape == (*cells, 3 if len(shape) == 3 else 1)
    assert light.rows.shape == (ROWS, COLUMNS)
    np.testing.assert_allclose(light.light, 0.5**EXPONENT, rtol=1e-5)
    np.testing.assert_allclose(light.encoded, 0.5, rtol=1e-5)
    np.testing.assert_allclose(light.contrast, 0, atol=1e-4)


def test_light_keeps_its_sum_under_blur_and_contrast_falls():
    linear = SCENE**EXPONENT
    soft = cv2.GaussianBlur(linear, (0, 0), 3) ** (1 / EXPONENT)
    sharp, blurred = light_map(SCENE), light_map(soft)
    inner = np.s_[2:-2, 2:-2]
    ratio = blurred.light[inner].mean() / sharp.light[inner].mean()
    assert ratio == pytest.approx(1.0, abs=0.01)
    assert np.median(blurred.contrast) < 0.5 * np.median(sharp.contrast)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_shares_of_their_full_scale(dtype):
    full = np.iinfo(dtype).max
    stored = light_map((SCENE * full).round().astype(dtype))
    np.testing.assert_allclose(stored.light, light_map(SCENE).light, atol=0.005)


def test_clipped_dark_and_invalid_cells_are_not_usable():
    image, valid = np.full((240, 240), 0.5, np.float32), np.ones((240, 240), bool)
    image[:60], image[60:120] = 1.0, 0.01
    valid[120:180] = False
    usable = light_map(image, valid).usable
    assert not usable[:18].any()
    assert usable[18:].all()
    rows = light_map(image, valid).rows
    assert np.isfinite(rows[-1]).all()
    assert np.isnan(rows[[0, ROWS // 3, ROWS * 2 // 3]]).all()


@pytest.mark.parametrize("shift", [(0, 0), (20, 0), (0, -10), (13, 29)])
def test_a_registered_map_is_that_of_the_registered_slice(shift):
    right, down = shift
    moved = np.roll(SCENE, (down, right), axis=(0, 1))
    found = registered(light_map(moved), translation(right, down), (320, 240))
    expected = light_map(SCENE)
    both = found.usable & expected.usable
    assert both.mean() > 0.6
    assert np.abs(np.log(found.encoded[both] / expected.encoded[both])).mean() < 0.1
    if shift == (0, 0):
        np.testing.assert_allclose(found.light, expected.light, atol=1e-5)
    # What the slice does not show is not usable.
    cells = int(np.ceil(right / (320 / CELLS.along)))
    assert not found.usable[:, found.usable.shape[1] - cells :].any() or cells == 0


def test_bands_are_taken_out_of_light_and_encoded_values():
    class Bands:
        def factors(self, heights):
            return 1 + 0.2 * np.asarray(heights, np.float32)

    light = light_map(SCENE)
    without = light.without(Bands())
    factors = Bands().factors((np.arange(18) + 0.5) / 18)[:, None, None]
    np.testing.assert_allclose(without.encoded * factors, light.encoded, rtol=1e-5)
    np.testing.assert_allclose(without.light * factors**EXPONENT, light.light, rtol=1e-5)
    np.testing.assert_array_equal(without.usable, light.usable)
