import numpy as np
import pytest

from aif_ros.types.frame import Frame, Window
from aif_ros.types.image import ImageError, check_image, to_float, to_gray, to_uint8


class TestWindow:
    def test_crop_is_a_view(self):
        image = np.zeros((10, 20, 3), np.uint8)
        Window(4, 2, 3, 5).crop(image)[...] = 7
        assert image[2:7, 4:7].min() == 7
        assert image.sum() == 7 * 15 * 3

    @pytest.mark.parametrize(
        "window", [Window(-1, 0, 4, 4), Window(18, 0, 4, 4), Window(0, 7, 4, 4), Window(0, 0, 0, 4)]
    )
    def test_outside_is_refused(self, window):
        assert not window.inside((20, 10))
        with pytest.raises(ValueError, match="20x10"):
            window.crop(np.zeros((10, 20)))

    def test_centred_is_cut_to_the_image(self):
        assert Window.centred((100, 50), 20) == Window(40, 15, 20, 20)
        assert Window.centred((100, 50), 512) == Window(25, 0, 50, 50)

    def test_mask_marks_the_window(self):
        mask = Window(1, 2, 3, 4).mask((8, 9))
        assert mask.shape == (9, 8)
        assert mask.sum() == 12
        assert mask[2:6, 1:4].all()


def test_frame_size():
    assert Frame(np.zeros((3, 5, 3), np.uint8), 0, 0.0).size == (5, 3)


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
