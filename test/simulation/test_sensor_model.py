from dataclasses import replace

import numpy as np
import pytest

from aif_ros.simulation.sensor_model import DEMOSAICING, DENOISING, SensorModel

GREY = np.full((128, 128), 0.2, np.float32)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def neighbours(image) -> float:
    """Correlation of the noise with that of the next pixel."""
    noise = image.astype(np.float64) - image.mean()
    return float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var())


def test_plain_noise_is_white(random) -> None:
    assert abs(neighbours(SensorModel(read_noise=5 / 255).capture(GREY, random))) < 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"noise_correlation": 0.8},
        {"demosaic": "bilinear"},
        {"denoise": "gaussian"},
        {"scaling": 1.5},
    ],
)
def test_processing_correlates_the_noise(random, options) -> None:
    camera = SensorModel(read_noise=8 / 255, **options)
    assert neighbours(camera.capture(GREY, random)) > 0.15


def test_correlated_noise_keeps_its_strength(random) -> None:
    camera = SensorModel(read_noise=8 / 255, noise_correlation=1.2)
    assert camera.capture(GREY, random).std() == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("demosaic", DEMOSAICING)
@pytest.mark.parametrize("colour", [False, True])
def test_white_balance_gives_grey_back(random, demosaic, colour) -> None:
    light = np.repeat(GREY[..., None], 3, axis=2) if colour else GREY
    image = SensorModel(read_noise=0, demosaic=demosaic).capture(light, random)
    assert image.shape == light.shape
    assert image.mean() == pytest.approx(255 * 0.2 ** (1 / 2.4), abs=2)
    assert image.std() < 2


@pytest.mark.parametrize("denoise", DENOISING)
def test_denoising_lowers_the_noise(random, denoise) -> None:
    noisy, quiet = (
        SensorModel(read_noise=4 / 255, denoise=method).capture(GREY, random).std()
        for method in (None, denoise)
    )
    assert quiet < 0.8 * noisy


def test_sharpening_raises_it(random) -> None:
    plain, sharpened = (
        SensorModel(read_noise=3 / 255, sharpen=amount).capture(GREY, random).std()
        for amount in (0.0, 1.0)
    )
    assert sharpened > 1.4 * plain


def test_photons_make_bright_light_noisier(random) -> None:
    dark, bright = (
        SensorModel(gamma=1.0, read_noise=0, photons=1000)
        .capture(np.full((64, 64), level, np.float32), random)
        .std()
        for level in (0.05, 0.8)
    )
    assert bright == pytest.approx(4 * dark, rel=0.2)


def test_rows_differ(random) -> None:
    image = SensorModel(read_noise=0, row_noise=3 / 255).capture(GREY, random)
    assert image.std(axis=0).mean() > 2 and image.std(axis=1).max() == 0


def test_flicker_makes_bands(random) -> None:
    image = SensorModel(read_noise=0, flicker=0.2).capture(GREY, random)
    assert np.ptp(image.mean(axis=1)) > 8 and image.std(axis=1).max() == 0


def test_few_bits_make_steps(random) -> None:
    ramp = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    image = SensorModel(read_noise=0, adc_bits=4).capture(ramp, random)
    assert len(np.unique(image)) == 16


def test_motion_smears_along_it(random) -> None:
    light = np.zeros((33, 33), np.float32)
    light[16, 16] = 1
    image = SensorModel(read_noise=0, gamma=1.0, motion=(6.0, 0.0)).develop(light, random)
    assert (image[16] > 0.05).sum() in (6, 7)
    assert (image[:, 16] > 0.05).sum() == 1


def test_colour_survives_jpeg(random) -> None:
    light = np.full((64, 64, 3), (0.5, 0.1, 0.02), np.float32)
    image = SensorModel(read_noise=0, jpeg_quality=90).capture(light, random)
    expected = 255 * np.array([0.5, 0.1, 0.02]) ** (1 / 2.4)
    np.testing.assert_allclose(image.mean(axis=(0, 1)), expected, atol=3)


@pytest.mark.parametrize("wrong", [{"demosaic": "magic"}, {"denoise": "magic"}, {"scaling": 0.0}])
def test_impossible_cameras(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SensorModel(**wrong)


def test_any_camera_takes_a_picture(random) -> None:
    for _ in range(150):
        camera = SensorModel.draw(random)
        image = camera.capture(random.random((64, 64), dtype=np.float32), random)
        assert image.shape == (64, 64) and image.dtype == np.uint8


def test_without_noise_it_shows_what_noisy_pictures_have_in_common(random) -> None:
    camera = SensorModel(
        gamma=2.0, read_noise=6 / 255, shot_noise=0.02, photons=3000, adc_bits=10, row_noise=0.01
    )
    camera = replace(camera, sharpen=0.8, tone=0.3, denoise="gaussian", jpeg_quality=90)
    light = np.linspace(0.1, 0.6, 96, dtype=np.float32)[None].repeat(64, axis=0)
    pictures = [camera.capture(light, random).mean(axis=0) for _ in range(40)]
    ideal = camera.without_noise()
    first, second = (ideal.develop(light, random) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.mean(pictures, axis=0)[4:-4] / 255, first[0, 4:-4], atol=0.01)
