"""Stored pixels and their conversion."""

import numpy as np
import pytest
from image_samples import colours, ramp

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import samples as module
from aif_ros.devices.image_files.samples import (
    MaskedImage,
    Samples,
    check_size,
    oriented,
    with_alpha,
    without_nan,
    without_premultiplication,
)


class TestImage:
    def test_values_of_the_whole_type_are_kept(self):
        values = colours()
        assert Samples(values).image(65535.0).pixels is values

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
    def test_the_full_scale_becomes_the_largest(self, dtype):
        values = np.array([[0, 25, 100, 120]], dtype)
        pixels = Samples(values).image(100.0).pixels
        largest = np.iinfo(pixels.dtype).max
        assert pixels.dtype == (np.uint8 if dtype == np.uint8 else np.uint16)
        assert pixels.tolist() == [[0, round(largest / 4), largest, largest]]

    def test_values_below_zero_become_zero(self):
        assert Samples(np.array([[-5.0, 1.0]])).image(1.0).pixels.tolist() == [[0, 65535]]

    @pytest.mark.parametrize("scale", [65535.0, 4095.0])
    @pytest.mark.parametrize("dtype", [np.uint16, np.int32])
    def test_white_may_be_zero(self, dtype, scale):
        values = ramp(largest=int(scale)).astype(dtype)
        inverted = Samples(values, white_is_zero=True).image(scale).pixels
        straight = Samples(values).image(scale).pixels
        np.testing.assert_array_equal(inverted, 65535 - straight)


class TestReduced:
    def test_averages_squares(self):
        values = np.array([[0, 2, 10, 10], [4, 6, 10, 10]], np.uint8)
        assert Samples(values).reduced(2).values.tolist() == [[3, 10]]

    def test_a_side_that_is_no_multiple_is_rounded_up(self):
        assert Samples(np.zeros((5, 7, 3), np.uint16)).reduced(4).values.shape == (2, 2, 3)

    def test_keeps_all_else(self):
        samples = Samples(ramp(), 4095.0, np.ones((24, 32), bool), True, "a note").reduced(2)
        assert (samples.full_scale, samples.white_is_zero, samples.note) == (4095.0, True, "a note")
        assert samples.valid.shape == samples.values.shape == (12, 16)

    def test_by_one_changes_nothing(self):
        samples = Samples(ramp())
        assert samples.reduced(1) is samples


class TestFilled:
    def test_holes_continue_what_is_around_them(self):
        pixels, valid = np.full((20, 20, 3), 1000, np.uint16), np.ones((20, 20), bool)
        pixels[:, 10:] = 3000
        pixels[5:9, 2:6], valid[5:9, 2:6] = 65535, False
        filled = MaskedImage(pixels, valid).filled()
        assert (filled[valid] == pixels[valid]).all()
        assert np.abs(filled[~valid].astype(int) - 1000).max() < 1000
        assert (pixels[~valid] == 65535).all()

    def test_without_holes_it_is_the_image(self):
        pixels = ramp()
        assert MaskedImage(pixels).filled() is pixels


class TestCheckSize:
    @pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
    def test_no_pixels(self, size):
        with pytest.raises(DeviceError, match=r"a\.tif has no pixels"):
            check_size("a.tif", *size)

    def test_too_many_pixels(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_PIXELS", 100)
        check_size("a.tif", 10, 10)
        with pytest.raises(DeviceError, match="10x11 pixels: more than"):
            check_size("a.tif", 10, 11)


class TestAlpha:
    @pytest.mark.parametrize("dtype, full", [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
    def test_half_opaque_is_data(self, dtype, full):
        alpha = np.array([[0, 0.4 * full, 0.6 * full, full]]).astype(dtype)
        samples = with_alpha("a", np.zeros((1, 4)), alpha)
        assert samples.valid.tolist() == [[False, False, True, True]]

    def test_opaque_everywhere_needs_no_mask(self):
        assert with_alpha("a", ramp(), np.full((24, 32), 255, np.uint8)).valid is None

    def test_transparent_everywhere_is_refused(self):
        with pytest.raises(DeviceError, match=r"a\.png is transparent everywhere"):
            with_alpha("a.png", ramp(), np.zeros((24, 32), np.uint8))

    @pytest.mark.parametrize("dtype, full", [(np.uint8, 255), (np.uint16, 65535), (np.float64, 1)])
    def test_premultiplied_colours_are_restored(self, dtype, full):
        colour = np.array([[[0.2, 0.5, 1.0]] * 4]) * full
        alpha = np.array([[0, 0.25, 0.5, 1.0]]) * full
        stored = (colour * alpha[..., None] / full).astype(dtype)
        restored = without_premultiplication(stored, alpha.astype(dtype))
        np.testing.assert_allclose(restored[0, 1:], colour[0, 1:], atol=0.03 * full)
        assert (restored[0, 0] == 0).all()
        assert restored.dtype == dtype

    def test_colours_brighter_than_their_alpha_are_clipped(self):
        alpha = np.full((1, 1), 100, np.uint8)
        assert without_premultiplication(np.full((1, 1), 200, np.uint8), alpha).tolist() == [[255]]


class TestNotFinite:
    def test_such_values_are_no_data(self):
        values = np.array([[[1.0, 2.0, np.nan], [1.0, 2.0, 3.0], [np.inf, 0.0, 0.0]]])
        samples = without_nan("a", Samples(values, valid=np.array([[True, False, True]])))
        assert np.isfinite(samples.values).all()
        assert samples.valid.tolist() == [[False, False, False]]
        assert without_nan("a", Samples(values)).valid.tolist() == [[False, True, False]]

    def test_integers_and_finite_values_are_left_alone(self):
        for values in (ramp(), np.ones((2, 2))):
            samples = Samples(values)
            assert without_nan("a", samples) is samples

    def test_an_image_without_data_is_refused(self):
        with pytest.raises(DeviceError, match=r"a\.tif holds no finite value"):
            without_nan("a.tif", Samples(np.full((2, 2), np.nan)))


class TestOriented:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_first_pixel_comes_to_its_corner(self, orientation):
        """The side on which the first row and the first column are seen (EXIF 2.3, 4.6.4)."""
        array = ramp(3, 5)
        turned = oriented(array, orientation)
        corner = [(0, 0), (0, -1), (-1, -1), (-1, 0)][(orientation - 1) % 4]
        assert turned[corner] == array[0, 0]
        assert turned.shape == ((5, 3) if orientation >= 5 else (3, 5))
        along_row = array[0].tolist()
        row, column = corner
        line = turned[:, column] if orientation >= 5 else turned[row]
        assert line.tolist() in (along_row, along_row[::-1])

    @pytest.mark.parametrize("orientation", [0, 9, -1])
    def test_unknown_ones_change_nothing(self, orientation):
        np.testing.assert_array_equal(oriented(colours(), orientation), colours())
