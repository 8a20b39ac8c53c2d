import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aif_ros.types.image import (
    ImageError,
    check_image,
    full_scale,
    full_scale_of_bits,
    to_float,
    to_gray,
    to_uint8,
    to_uint16,
)


class TestImages:
    @pytest.mark.parametrize(
        "image, said",
        [
            (np.zeros((0, 5), np.uint8), "empty"),
            (np.zeros(5, np.uint8), "shape"),
            (np.zeros((4, 5, 4), np.uint8), "shape"),
            (np.zeros((4, 5), np.int32), "int32"),
            (np.full((4, 5), np.nan), "finite"),
            ([[1, 2]], "list"),
        ],
    )
    def test_unusable_images(self, image, said):
        with pytest.raises(ImageError, match=said):
            check_image(image)

    @pytest.mark.parametrize("dtype, full", [(np.uint8, 255), (np.uint16, 65535)])
    def test_full_scale_becomes_one(self, dtype, full):
        image = to_float(np.array([[0, full]], dtype))
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, [[0, 1]])

    def test_float_keeps_its_values(self):
        np.testing.assert_array_equal(to_float(np.array([[0.25]])), np.float32([[0.25]]))

    def test_round_trip(self):
        image = np.arange(256, dtype=np.uint8).reshape(16, 16)
        np.testing.assert_array_equal(to_uint8(to_float(image)), image)

    def test_out_of_range_is_clipped(self):
        np.testing.assert_array_equal(to_uint8(np.float32([[-0.5, 1.5]])), [[0, 255]])

    def test_gray(self):
        red = np.zeros((2, 2, 3), np.float32)
        red[..., 0] = 1
        np.testing.assert_allclose(to_gray(red), 0.299, atol=1e-3)
        assert to_gray(red[..., 0]).shape == (2, 2)


class TestFullScale:
    @pytest.mark.parametrize(
        "largest, expected", [(0, 255), (255, 255), (256, 1023), (4095, 4095), (4096, 16383)]
    )
    def test_of_16_bit_samples_is_the_lowest_that_covers_them(self, largest, expected):
        assert full_scale(np.array([[0, largest]], np.uint16)) == expected

    def test_of_8_bit_samples_is_always_255(self):
        assert full_scale(np.zeros((2, 2), np.uint8)) == 255

    @pytest.mark.parametrize(
        "largest, expected",
        [(0.3, 1), (1.04, 1), (6, 6), (200, 255), (1e6, 1e6), (4e9, 2**32 - 1), (1e30, 1e30)],
    )
    def test_of_floating_point(self, largest, expected):
        assert full_scale(np.array([[0, largest, np.nan]])) == expected

    def test_of_a_stream_never_falls(self):
        scale = full_scale(np.full((2, 2), 4000, np.uint16))
        assert full_scale(np.full((2, 2), 900, np.uint16), scale) == 4095

    @pytest.mark.parametrize("bits", [0, 17])
    def test_impossible_bits_are_refused(self, bits):
        with pytest.raises(ImageError, match="1 to 16"):
            full_scale_of_bits(bits)

    @given(st.sampled_from([8, 10, 12, 14, 16]), st.integers(0, 65535))
    def test_full_scale_becomes_one_and_more_is_clipped(self, bits, sample):
        scale = full_scale_of_bits(bits)
        value = to_float(np.array([[sample]], np.uint16), scale)[0, 0]
        assert value == pytest.approx(min(1.0, sample / scale), abs=1e-6)


@given(st.integers(0, 65535), st.sampled_from([np.uint8, np.uint16]))
def test_every_sample_survives_the_round_trip(sample, dtype):
    back = {np.uint8: to_uint8, np.uint16: to_uint16}[dtype]
    samples = np.array([[sample % (np.iinfo(dtype).max + 1)]], dtype)
    np.testing.assert_array_equal(back(to_float(samples)), samples)
