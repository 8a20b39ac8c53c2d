import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.defocus.gradient_ratio import CELL, GradientRatioEstimator
from aif_ros.types.image import ImageError


@pytest.fixture(scope="module")
def estimator():
    return GradientRatioEstimator()


def middle(blur) -> float:
    assert np.isfinite(blur.radius).mean() > 0.85
    return float(np.nanmedian(blur.radius))


def test_map_has_its_shapes_and_types(estimator):
    blur = estimator.estimate(np.repeat(texture(300)[:200, :, None], 3, axis=2))
    assert blur.shape == (200 // CELL, 300 // CELL)
    assert blur.image_size == (300, 200)
    for values in (blur.radius, blur.uncertainty, blur.in_focus):
        assert values.dtype == np.float32 and values.shape == blur.shape


@pytest.mark.parametrize("noise", [0.0, 1.5 / 255])
@pytest.mark.parametrize("radius", [2.0, 4.0, 8.0, 16.0])
def test_finds_the_radius_of_disks(estimator, radius, noise):
    found = [
        middle(estimator.estimate(defocused(texture(256, seed), radius, noise)))
        for seed in range(3)
    ]
    assert np.median(found) == pytest.approx(radius, rel=0.3)


def test_readings_grow_with_the_blur(estimator):
    sharp = texture()
    found = [middle(estimator.estimate(defocused(sharp, r))) for r in (0, 1, 2, 4, 8, 16, 25)]
    assert np.all(np.diff(found) > 0)
    assert found[0] < 0.8


def test_distinguishes_in_focus_from_blurred(estimator):
    sharp = texture()
    in_focus = [
        np.nanmean(estimator.estimate(defocused(sharp, r, 1.5 / 255)).in_focus) for r in (0, 3)
    ]
    assert in_focus[0] > 0.7 and in_focus[1] < 0.2


def test_uncertainty_covers_the_errors(estimator):
    errors = []
    for radius in (1.0, 3.0, 6.0, 12.0):
        blur = estimator.estimate(defocused(texture(384, 7), radius, 1.5 / 255))
        errors.append((np.abs(blur.radius - radius) / blur.uncertainty).ravel())
    share = np.nanmean(np.concatenate(errors) < 1)
    assert 0.5 < share < 0.99


def test_sharp_and_blurred_halves_differ(estimator):
    sharp = texture(256)
    picture = np.hstack([sharp, defocused(sharp, 6.0)])
    radius = estimator.estimate(picture).radius
    columns = radius.shape[1]
    assert np.nanmedian(radius[:, : columns // 2 - 1]) < 1
    assert np.nanmedian(radius[:, columns // 2 + 1 :]) > 4


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_without_texture_blur_is_unknown(estimator, level):
    flat = np.full((128, 160), level, np.float32)
    for picture in (flat, defocused(flat, 0, 1.5 / 255), defocused(flat, 0, 6 / 255)):
        assert np.isnan(estimator.estimate(picture).radius).mean() > 0.85


def test_saturated_cells_are_unknown(estimator):
    picture = np.clip(texture() + 0.9, 0, 1)
    assert np.isnan(estimator.estimate(picture).radius).mean() > 0.8


def test_unusable_images_are_refused(estimator):
    with pytest.raises(ImageError, match="32x32"):
        estimator.estimate(np.zeros((31, 100), np.float32))
    with pytest.raises(ImageError, match="finite"):
        estimator.estimate(np.full((64, 64), np.nan, np.float32))
