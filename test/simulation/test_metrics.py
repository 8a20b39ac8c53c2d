"""How close an image comes to the truth."""

import math

import numpy as np
import pytest

from aif_ros.simulation.metrics import area_under_curve, psnr, ssim
from aif_ros.types.image import ImageError

TRUTH = np.random.default_rng(0).random((32, 40, 3), np.float32)


class TestPsnr:
    @pytest.mark.parametrize("error, decibels", [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
    def test_of_an_equal_error_everywhere(self, error, decibels):
        grey = np.zeros((20, 20), np.float32)
        assert psnr(grey + np.float32(error), grey) == pytest.approx(decibels, abs=1e-4)

    def test_of_equal_images_is_infinite(self):
        assert psnr(TRUTH, TRUTH.copy()) == math.inf

    def test_is_that_of_the_mean_squared_error(self):
        noisy = TRUTH + 0.05 * np.random.default_rng(1).standard_normal(TRUTH.shape)
        error = np.mean((noisy - TRUTH) ** 2)
        assert psnr(noisy.astype(np.float32), TRUTH) == pytest.approx(-10 * np.log10(error))


class TestSsim:
    @pytest.mark.parametrize("truth", [TRUTH, TRUTH[..., 0]], ids=["colour", "mono"])
    def test_of_equal_images_is_one_and_falls_with_noise(self, truth):
        noise = np.random.default_rng(1).standard_normal(truth.shape).astype(np.float32)
        values = [ssim(truth + np.float32(level) * noise, truth) for level in (0, 0.05, 0.2)]
        assert values[0] == pytest.approx(1.0)
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.9

    def test_of_constant_images_is_the_term_of_luminance(self):
        dark, bright = (np.full((20, 20), level, np.float32) for level in (0.2, 0.6))
        constant = 0.01**2
        expected = (2 * 0.2 * 0.6 + constant) / (0.2**2 + 0.6**2 + constant)
        assert ssim(dark, bright) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_images_of_other_shapes_are_refused(metric):
    with pytest.raises(ImageError, match="cannot compare an image of"):
        metric(TRUTH, TRUTH[:, 1:])
    with pytest.raises(ImageError, match="cannot compare an image of"):
        metric(TRUTH, TRUTH[..., 0])


class TestAreaUnderCurve:
    @pytest.mark.parametrize(
        ("score", "area"),
        [((1, 2, 3, 4), 1.0), ((4, 3, 2, 1), 0.0), ((1, 3, 2, 4), 0.75), ((1, 1, 1, 1), 0.5)],
    )
    def test_is_the_share_of_pairs_in_order(self, score, area):
        positive = np.array([False, False, True, True])
        assert area_under_curve(np.array(score, float), positive) == area
