"""What spectra of images have in common, and whether one image is sharper."""

import cv2
import numpy as np
import pytest

from aif_ros.pipeline.image_spectra import (
    EDGES,
    FREQUENCIES,
    LONGEST_SIDE,
    TILES,
    ImageSpectra,
    differ_in_sharpness,
    shared_power,
)

SHAPE = (180, 240)


def scene(seed=0, shape=SHAPE):
    """Detail of all sizes, float32 about 0.5."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    layers = [cv2.GaussianBlur(noise, (0, 0), 2.0**k) * 2.0**k for k in range(5)]
    image = sum(layers)
    return np.asarray(0.5 + 0.1 * image / image.std(), np.float32)


def noisy(image, sigma, seed):
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape).astype(np.float32)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def differ(*images):
    spectra = [ImageSpectra(image) for image in images]
    return differ_in_sharpness(spectra, shared_power(spectra))


def test_tiles_rings_and_scale():
    spectra = ImageSpectra(scene())
    assert spectra.shape == SHAPE
    assert spectra.scale == 1.0
    assert len(spectra.rings) == len(FREQUENCIES) == len(EDGES) - 1
    assert {len(ring) for ring in spectra.rings} == {TILES**2}


@pytest.mark.parametrize("shape", [(1280, 960), (960, 1280)])
def test_large_images_are_reduced(shape):
    spectra = ImageSpectra(scene(shape=shape))
    assert spectra.scale == 0.5
    assert max(spectra.shape) == LONGEST_SIDE


@pytest.mark.parametrize("gain", [0.5, 1.9])
def test_brightness_is_divided_out(gain):
    one, other = (ImageSpectra(factor * scene()) for factor in (1.0, gain))
    for ring, same in zip(one.rings, other.rings, strict=True):
        np.testing.assert_allclose(ring, same, atol=2e-3 * abs(ring).max())


def test_colours_count_by_their_luma():
    colour = np.repeat(scene()[..., None], 3, axis=2)
    for ring, same in zip(ImageSpectra(scene()).rings, ImageSpectra(colour).rings, strict=True):
        np.testing.assert_allclose(ring, same, atol=1e-3 * abs(ring).max())


def test_a_wave_has_its_power_in_its_ring():
    ring = 6
    phase = 2 * np.pi * FREQUENCIES[ring] * np.arange(SHAPE[1])
    wave = 0.5 + 0.2 * np.sin(phase)
    spectra = ImageSpectra(np.tile(wave, (SHAPE[0], 1)).astype(np.float32))
    power = shared_power([spectra])[..., 0, 0].sum(axis=0)
    assert power.argmax() == ring
    assert power.max() > 0.9 * power.sum()


def test_shared_power_is_symmetric_and_that_of_an_image_with_itself_its_power():
    spectra = [ImageSpectra(scene()), ImageSpectra(blurred(scene(), 2.0))]
    power = shared_power(spectra)
    assert power.shape == (TILES**2, len(FREQUENCIES), 2, 2)
    np.testing.assert_allclose(power, power.swapaxes(2, 3))
    own = [(abs(ring) ** 2).sum(axis=1) for ring in spectra[0].rings]
    np.testing.assert_allclose(power[..., 0, 0], np.stack(own, axis=1), rtol=1e-4)


def test_different_noise_has_nothing_in_common():
    flat = np.full(SHAPE, 0.5, np.float32)
    spectra = [ImageSpectra(noisy(flat, 0.05, seed)) for seed in (1, 2)]
    power = shared_power(spectra).sum(axis=(0, 1))
    assert abs(power[0, 1]) < 0.05 * power[0, 0]


@pytest.mark.parametrize("sigma", [1.5, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_blurred_image_differs(sigma, noise):
    images = noisy(scene(), noise, 1), noisy(blurred(scene(), sigma), noise, 2)
    assert differ(*images)
    assert differ(*images[::-1])


def test_one_blurred_image_of_three_is_enough():
    assert differ(noisy(scene(), 0.01, 1), noisy(scene(), 0.01, 2), blurred(scene(), 3.0))


def test_a_part_that_is_blurred_differs():
    part = scene()
    part[:60, :80] = blurred(scene(), 4.0)[:60, :80]
    assert differ(noisy(scene(), 0.005, 1), noisy(part, 0.005, 2))


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1])
def test_images_that_differ_by_noise_do_not(noise):
    assert not differ(*(noisy(scene(), noise, seed) for seed in (1, 2, 3)))


@pytest.mark.parametrize("gain", [0.98, 0.7])
def test_light_that_drifts_is_no_difference(gain):
    assert not differ(noisy(scene(), 0.01, 1), gain * noisy(scene(), 0.01, 2))


def test_a_shift_is_no_difference():
    assert not differ(noisy(scene(), 0.01, 1), noisy(np.roll(scene(), 3, axis=1), 0.01, 2))


def test_rounding_is_no_difference():
    """An image of so little contrast that rounding to 8 bits is most of what is seen."""
    faint = 0.5 + 0.005 * (scene() - 0.5)
    rounded = (np.round(255 * faint) / 255).astype(np.float32)
    assert not differ(rounded, rounded)


def test_black_images_share_nothing():
    black = np.zeros(SHAPE, np.uint8)
    spectra = [ImageSpectra(black), ImageSpectra(black)]
    power = shared_power(spectra)
    assert (power == 0).all()
    assert not differ_in_sharpness(spectra, power)


@pytest.mark.parametrize("shape", [(3, 3), (7, 40)])
def test_tiny_images_have_spectra(shape):
    spectra = [ImageSpectra(np.full(shape, 100, np.uint8)) for _ in range(2)]
    assert not differ_in_sharpness(spectra, shared_power(spectra))
