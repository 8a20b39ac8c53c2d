"""The shipped networks, on photographs that come with scikit-image."""

import cv2
import numpy as np
import pytest
import skimage.data

from aif_ros.defocus.network import ARCHITECTURE, BLUR_WEIGHTS, BlurNetwork
from aif_ros.defocus.neural import NeuralBlurEstimator
from aif_ros.optics.psf import Aperture
from aif_ros.simulation.patches import Defocus, draw_crop
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.types.image import ImageError
from aif_ros.weights.files import WeightsError, save_weights


@pytest.fixture(scope="module")
def estimator() -> NeuralBlurEstimator:
    return NeuralBlurEstimator()


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    """A photo of a motorcycle, scaled down until sharp, linear light."""
    photo = skimage.data.stereo_motorcycle()[0]
    drawn = draw_crop(photo, 256, np.random.default_rng(0), (0.52, 0.55), least_sharp=0.5)
    assert drawn is not None
    return drawn[0]


def blurred(crop: np.ndarray, radius: float, camera: SensorModel | None = None) -> np.ndarray:
    light = Defocus(crop, 2.4, radius)(radius, Aperture())
    return (camera or SensorModel()).capture(light, np.random.default_rng(1))


@pytest.mark.parametrize("radius", [0.0, 2.0, 5.0, 12.0, 25.0])
def test_estimates_the_radius(estimator, sharp, radius) -> None:
    answer = estimator.estimate_patch(blurred(sharp, radius))
    assert answer.radius == pytest.approx(radius, abs=0.8 + 0.15 * radius)
    assert 0 < answer.uncertainty < 1 + 0.3 * radius


@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_recognises_in_focus(estimator, sharp, radius) -> None:
    assert estimator.estimate_patch(blurred(sharp, radius)).in_focus > 0.5


@pytest.mark.parametrize("radius", [2.0, 4.0, 16.0, 50.0])
def test_recognises_out_of_focus(estimator, sharp, radius) -> None:
    assert estimator.estimate_patch(blurred(sharp, radius)).in_focus < 0.5


def test_distribution_is_that_of_the_answer(estimator, sharp) -> None:
    answer = estimator.estimate_patch(blurred(sharp, 6.0))
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert (np.diff(answer.radii) > 0).all()
    assert answer.probabilities @ answer.radii == pytest.approx(answer.radius, rel=0.1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_without_texture_blur_is_unknown(estimator, level) -> None:
    noise = np.random.default_rng(0).normal(0, 1.5, (256, 256))
    patch = np.clip(level + noise, 0, 255).astype(np.uint8)
    answer = estimator.estimate_patch(patch)
    assert np.isnan([answer.radius, answer.uncertainty, answer.in_focus]).all()


@pytest.mark.parametrize("level", [0, 255])
def test_all_black_and_saturated_are_unknown(estimator, level) -> None:
    blur = estimator.estimate(np.full((128, 192, 3), level, np.uint8))
    assert np.isnan(blur.radius).all()
    assert np.isnan(blur.uncertainty).all()
    assert np.isnan(blur.in_focus).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("colour", [False, True])
def test_all_kinds_of_image_mean_the_same(estimator, sharp, dtype, colour) -> None:
    patch = blurred(sharp, 5.0)
    image = np.repeat(patch[..., None], 3, axis=2) if colour else patch
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    answer = estimator.estimate_patch((image * np.float64(scale)).astype(dtype))
    assert answer.radius == pytest.approx(estimator.estimate_patch(patch).radius, rel=0.01)


@pytest.mark.parametrize("shape", [(64, 64), (65, 200), (250, 130)])
def test_grid_covers_any_image(estimator, sharp, shape) -> None:
    image = cv2.resize(blurred(sharp, 4.0), shape[::-1])
    blur = estimator.estimate(image)
    assert blur.shape == (2 * -(-shape[0] // 64), 2 * -(-shape[1] // 64))
    assert blur.contrast.shape == blur.shape
    assert blur.image_size == shape[::-1]
    assert blur.radius.dtype == blur.uncertainty.dtype == blur.in_focus.dtype == np.float32


def test_map_distinguishes_two_depths(estimator, sharp) -> None:
    near, far = blurred(sharp, 1.0), blurred(sharp, 14.0)
    blur = estimator.estimate(np.concatenate([near, far], axis=1))
    left, right = np.nanmedian(blur.radius[:, :6]), np.nanmedian(blur.radius[:, 10:])
    assert left < 3 and right > 9


@pytest.mark.parametrize("shape", [(63, 200), (200, 10), (200, 200, 4)])
def test_unusable_images_are_refused(estimator, shape) -> None:
    with pytest.raises(ImageError):
        estimator.estimate(np.zeros(shape, np.uint8))
    with pytest.raises(ImageError):
        estimator.estimate_patch(np.zeros(shape, np.uint8))


def test_nan_is_refused(estimator) -> None:
    image = np.full((128, 128), np.nan, np.float32)
    with pytest.raises(ImageError, match="not finite"):
        estimator.estimate_patch(image)


def test_wider_depth_of_field_takes_more_for_in_focus(estimator, sharp) -> None:
    patch = blurred(sharp, 1.4)
    wide = NeuralBlurEstimator(2.5)
    assert wide.estimate_patch(patch).in_focus > estimator.estimate_patch(patch).in_focus


@pytest.mark.parametrize("depth_of_field", [0.1, 99.0])
def test_depth_of_field_beyond_the_network_is_refused(depth_of_field) -> None:
    with pytest.raises(ValueError, match="depths of field"):
        NeuralBlurEstimator(depth_of_field)


def test_weights_without_temperature_are_refused(tmp_path) -> None:
    save_weights(tmp_path / "w.safetensors", BLUR_WEIGHTS, BlurNetwork(ARCHITECTURE))
    with pytest.raises(WeightsError, match="temperature"):
        NeuralBlurEstimator(path=tmp_path / "w.safetensors")


def test_shipped_weights_have_their_card() -> None:
    from aif_ros.weights import WEIGHTS

    weights = WEIGHTS / "blur.safetensors"
    assert weights.stat().st_size < 4_000_000
    assert "aif train blur" in weights.with_suffix(".md").read_text()
