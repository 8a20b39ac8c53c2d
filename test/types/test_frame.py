import numpy as np
import pytest

from aif_ros.types.frame import Frame, Window


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
