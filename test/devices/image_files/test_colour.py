"""Colours of inks and of CIE L*a*b* as sRGB."""

import cv2
import numpy as np
import pytest
from image_samples import ink_profile

from aif_ros.devices.image_files.colour import APPROXIMATE, rgb_of_cmyk, rgb_of_lab

GREYS = np.linspace(0, 100, 101)


def lab_pixels(lab, dtype, *, signed):
    """(N, 3) CIE values as stored."""
    sixteen_bit = dtype == np.uint16
    unit = 256 if sixteen_bit else 1
    full = 0xFF00 if sixteen_bit and not signed else np.iinfo(dtype).max
    stored = lab * [full / 100, unit, unit] + (0 if signed else np.array([0, 128, 128]) * unit)
    return (stored.round().astype(np.int64) % (256 * unit)).astype(dtype)[None]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
class TestLab:
    def test_greys_have_equal_channels_and_the_lightness_of_srgb(self, signed, dtype):
        lab = np.stack([GREYS, 0 * GREYS, 0 * GREYS], axis=-1)
        values = rgb_of_lab(lab_pixels(lab, dtype, signed=signed), signed=signed).values[0]
        full = np.iinfo(dtype).max
        assert np.ptp(values.astype(int), axis=1).max() <= 0.004 * full
        assert (values[0] == 0).all()
        assert (values[-1] >= 0.998 * full).all()
        # CIE: Y of L*, then the curve of sRGB (IEC 61966-2-1).
        luminance = np.where(GREYS > 8, ((GREYS + 16) / 116) ** 3, GREYS * 27 / 24389)
        curve = 1.055 * luminance ** (1 / 2.4) - 0.055
        expected = np.where(luminance > 0.0031308, curve, 12.92 * luminance)
        np.testing.assert_allclose(values[:, 1] / full, expected, atol=0.004)

    def test_colours_beyond_srgb_are_clipped(self, signed, dtype):
        pixels = lab_pixels(np.array([[50.0, -120.0, 0.0]]), dtype, signed=signed)
        values = rgb_of_lab(pixels, signed=signed).values[0, 0]
        assert values[0] == 0
        assert values[1] > values[2] > 0

    def test_the_result_is_of_the_same_depth_with_its_scale(self, signed, dtype):
        """The scale of a dark image must not be taken for that of fewer bits."""
        samples = rgb_of_lab(np.zeros((2, 3, 3), dtype), signed=signed)
        assert samples.values.dtype == dtype
        assert samples.values.shape == (2, 3, 3)
        assert samples.full_scale == np.iinfo(dtype).max

    def test_the_input_stays_as_it_is(self, signed, dtype):
        pixels = lab_pixels(np.array([[50.0, 20.0, -30.0]]), dtype, signed=signed)
        before = pixels.copy()
        rgb_of_lab(pixels, signed=signed)
        np.testing.assert_array_equal(pixels, before)


def test_lab_agrees_with_opencv_for_colours_under_daylight():
    """OpenCV takes D65 as white: greys agree, and hues roughly."""
    random = np.random.default_rng(0)
    rgb = (0.2 + 0.6 * random.random((8, 8, 3))).astype(np.float32)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab).reshape(-1, 3).astype(np.float64)
    values = rgb_of_lab(lab_pixels(lab, np.uint16, signed=True), signed=True).values
    np.testing.assert_allclose(values.reshape(8, 8, 3) / 65535, rgb, atol=0.12)


class TestCmyk:
    INKS = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 0, 255]]], np.uint8)

    @pytest.mark.parametrize("profile", [b"", b"no profile", ink_profile()[:200]])
    def test_without_a_usable_profile_a_formula_is_used_and_noted(self, profile):
        samples = rgb_of_cmyk(self.INKS, profile)
        assert samples.note == APPROXIMATE
        assert samples.values.tolist() == [[[255] * 3, [0, 255, 255], [255, 0, 255], [0] * 3]]

    def test_a_profile_decides(self):
        samples = rgb_of_cmyk(self.INKS, ink_profile())
        assert samples.note == ""
        white, cyan, magenta, black = samples.values[0]
        assert (white == 255).all()
        assert np.ptp(cyan) <= 2
        assert 100 < cyan[0] < 140
        assert (magenta == 0).all()
        assert (black == 0).all()

    def test_a_profile_of_other_colours_is_not_used(self):
        import PIL.ImageCms

        srgb = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
        assert rgb_of_cmyk(self.INKS, srgb).note == APPROXIMATE
