import cv2
import numpy as np
import pytest
import skimage.data

from aif_ros.optics.psf import Aperture
from aif_ros.simulation.patches import Defocus, draw_crop, draw_radius, training_patches
from aif_ros.simulation.sensor_model import SensorModel

PHOTO = skimage.data.stereo_motorcycle()[0]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_radii_reach_from_none_to_the_largest(random) -> None:
    radii = np.array([draw_radius(random) for _ in range(2000)])
    assert radii.min() == 0 and 60 < radii.max() <= 64
    assert 0.05 < (radii == 0).mean() < 0.1
    assert (radii < 4).mean() > 0.2


def test_training_patches_have_labels_for_every_cell(random) -> None:
    patches = []
    while len(patches) < 40:
        patches += training_patches(PHOTO, 128, 4, random)
    for patch in patches:
        assert patch.luma.shape == (128, 128) and patch.luma.dtype == np.uint8
        assert patch.radius.shape == patch.weight.shape == (2, 2)
        assert (patch.radius >= 0).all() and (patch.radius <= 64).all()
        assert len(np.unique(patch.radius)) == 1 or not patch.one_depth
    assert any(not patch.one_depth for patch in patches)


def test_same_seed_same_patches() -> None:
    first, second = (
        list(training_patches(PHOTO, 128, 3, np.random.default_rng(7))) for _ in range(2)
    )
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert (one.luma == other.luma).all() and (one.radius == other.radius).all()


def test_a_blurred_photo_is_not_used_for_training(random) -> None:
    blurred = cv2.GaussianBlur(PHOTO, (0, 0), 5)
    assert draw_crop(blurred, 256, random) is None
    assert list(training_patches(blurred, 256, 4, random)) == []


def test_defocus_is_convolution_with_the_aperture_in_linear_light() -> None:
    crop = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    defocus = Defocus(crop, 2.0, 6.0)
    kernel = Aperture(softness=0.8).kernel(6.0)
    expected = cv2.filter2D(crop**2, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(defocus(6.0, Aperture(softness=0.8)) - expected).max() < 0.02
    assert np.abs(defocus(0.0, Aperture()) - crop**2).max() < 1e-5


class TestCamera:
    light = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)

    def test_encodes_with_gamma(self, random) -> None:
        image = SensorModel(gamma=2.0, read_noise=0).capture(self.light, random)
        assert np.abs(image / 255 - np.sqrt(self.light)).max() < 0.004

    def test_exposure_clips(self, random) -> None:
        image = SensorModel(exposure=2.0, read_noise=0).capture(self.light, random)
        assert (image[self.light >= 0.501] == 255).all()
        assert (image[self.light < 0.49] < 255).all()

    def test_read_noise_has_its_strength(self, random) -> None:
        gray = np.full((128, 128), 0.2, np.float32)
        image = SensorModel(read_noise=10 / 255).capture(gray, random)
        assert image.std() == pytest.approx(10, rel=0.05)

    def test_shot_noise_grows_with_light(self, random) -> None:
        camera = SensorModel(read_noise=0, shot_noise=0.05)
        dark, bright = (
            camera.capture(np.full((128, 128), level, np.float32), random).std()
            for level in (0.01, 0.5)
        )
        assert bright > 3 * dark

    def test_jpeg_leaves_its_traces(self, random) -> None:
        plain = SensorModel(read_noise=0).capture(self.light, random)
        packed = SensorModel(read_noise=0, jpeg_quality=60).capture(self.light, random)
        assert packed.shape == plain.shape
        assert 0 < np.abs(packed.astype(int) - plain).max() < 40

    def test_draws_all_that_it_should(self, random) -> None:
        cameras = [SensorModel.draw(random) for _ in range(500)]
        exposures = [camera.exposure for camera in cameras]
        assert min(exposures) < 0.3 and max(exposures) > 1.8
        assert 10 / 255 < max(camera.read_noise for camera in cameras) <= 11 / 255
        assert any(camera.jpeg_quality for camera in cameras)
        assert {1.8 <= camera.gamma <= 2.4 for camera in cameras} == {True}
