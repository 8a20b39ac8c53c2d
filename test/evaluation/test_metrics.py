import numpy as np
import pytest

from aif_ros.evaluation.metrics import psnr, ssim
from aif_ros.images import ImageError


@pytest.fixture
def picture():
    return np.random.default_rng(1).random((32, 40, 3), dtype=np.float32)


def test_psnr_of_a_constant_error(picture):
    assert psnr(picture + np.float32(0.1), picture) == pytest.approx(20.0, abs=1e-4)
    assert psnr(picture, picture) == np.inf


def test_ssim_knows_equal_and_unlike_images(picture):
    assert ssim(picture, picture) == pytest.approx(1.0)
    assert ssim(picture[..., 0], picture[..., 0]) == pytest.approx(1.0)
    assert ssim(1 - picture, picture) < 0


def test_images_of_other_shape_are_refused(picture):
    for measure in (psnr, ssim):
        with pytest.raises(ImageError, match="cannot compare"):
            measure(picture[1:], picture)
