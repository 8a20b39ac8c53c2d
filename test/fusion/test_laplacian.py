"""Fusion by Laplacian energy."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.laplacian import LaplacianFusion, laplacian_energy
from aif_ros.simulation.scenes.planes import texture

SHARP = texture((160, 120), np.random.default_rng(3))


def blurred(image, sigma=3.0):
    return cv2.GaussianBlur(image, (0, 0), sigma)


class TestEnergy:
    def test_is_the_windowed_mean_of_squared_laplacians(self):
        gray = SHARP[..., 1].copy()
        laplacian = cv2.Laplacian(gray, cv2.CV_32F, ksize=3)
        expected = cv2.GaussianBlur(laplacian**2, (0, 0), 2.0)
        np.testing.assert_allclose(laplacian_energy(gray, 2.0), expected, rtol=1e-5, atol=1e-9)

    def test_falls_with_blur(self):
        energies = [
            laplacian_energy(image, 2.0).mean()
            for image in (SHARP, *(blurred(SHARP, sigma) for sigma in (0.5, 1.0, 2.0)))
        ]
        assert energies == sorted(energies, reverse=True)

    def test_grows_by_the_square_of_the_contrast_and_ignores_brightness(self):
        energy = laplacian_energy(SHARP, 2.0)
        np.testing.assert_allclose(laplacian_energy(0.5 * SHARP, 2.0), energy / 4, rtol=1e-3)
        np.testing.assert_allclose(
            laplacian_energy(0.5 * SHARP + 0.3, 2.0), energy / 4, rtol=0.01, atol=1e-6
        )


def merge(fusion, *images):
    fused = None
    for number, image in enumerate(images, 1):
        fused = fusion.merge(image, number * 1e-3, fused)
    return fused


def test_the_choice_is_more_decided_with_more_contrast():
    soft = blurred(SHARP, 1.0)
    near = [
        np.abs(merge(LaplacianFusion(contrast=contrast), soft, SHARP).image - SHARP).mean()
        for contrast in (1.0, 3.0, 6.0)
    ]
    assert near[0] > near[1] > near[2]
    assert near[-1] < 0.1 * np.abs(soft - SHARP).mean()


def test_equal_energy_is_half_of_each():
    """A negative has the same Laplacians."""
    fused = merge(LaplacianFusion(), SHARP, 1 - SHARP)
    np.testing.assert_allclose(fused.image, 0.5, atol=1e-3)
    assert (fused.source_position == np.float32(1e-3)).mean() > 0.3


def test_sharpness_is_the_highest_so_far():
    fusion, soft = LaplacianFusion(), blurred(SHARP)
    alone = [merge(fusion, each).sharpness for each in (SHARP, soft)]
    for images in ((soft, SHARP), (SHARP, soft)):
        np.testing.assert_array_equal(merge(fusion, *images).sharpness, np.maximum(*alone))


def test_a_wider_window_decides_over_larger_areas():
    """Fine detail in a small square of one image, everywhere else in the other."""
    square = np.zeros((160, 160), bool)
    square[76:84, 76:84] = True
    image = texture((160, 160), np.random.default_rng(0))[..., 0]
    first = np.where(square, blurred(image), image)
    second = np.where(square, image, blurred(image))
    taken = [
        (merge(LaplacianFusion(smoothing), first, second).source_position == np.float32(2e-3)).sum()
        for smoothing in (0.003, 0.03)
    ]
    assert taken[0] > 30
    assert taken[1] < taken[0] / 2


@pytest.mark.parametrize("shape", [(300, 400), (3000, 4000), (9000, 12000)])
def test_the_margin_of_tiles_is_a_multiple_of_16_within_bounds(shape):
    plane = np.broadcast_to(np.float32(0.0), shape)  # takes no memory
    fused = Fused(plane, plane, plane, 1)
    merge_tile, margin = LaplacianFusion().for_tiles(fused)
    assert margin % 16 == 0
    # Two deviations of a window 8 times as wide as the finest, of 0.003 of the diagonal.
    assert margin == min(16 * np.ceil(0.048 * np.hypot(*shape) / 16), 640)
    tile = np.random.default_rng(0).random((32, 48), np.float32)
    assert merge_tile(tile, 1e-3, None).sharpness.shape == (32, 48)
