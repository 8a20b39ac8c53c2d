from dataclasses import replace

import numpy as np
import pytest
from camera_contract import CameraContract

from aif_ros.devices.clock import SimulatedClock
from aif_ros.optics.breathing import magnify
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.pupil import GaussianSpread, Pupil
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.renderer import SensorNoise
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

LENS = LensModel("test", 1e-6, (0.0, 1.0e-3), 90000.0, 64)
QUIET = SensorNoise(read=0.0, shot=0.0)


class Stripes:
    """Stripes at one focus position; when it moves, they shift 10 px a second."""

    name = "stripes"
    size = (64, 48)

    def __init__(self, moving=False):
        self.moving = moving
        self.views = 0

    def view(self, seconds):
        self.views += 1
        columns = (np.arange(64) + 10 * seconds) % 16 < 8
        image = np.broadcast_to(0.2 + 0.6 * columns, (48, 64)).astype(np.float32)
        return SceneView(image, np.full((48, 64), 0.5e-3, np.float32))


class TestContract(CameraContract):
    @pytest.fixture
    def clock(self):
        return SimulatedClock()

    @pytest.fixture
    def camera(self, clock):
        return SimulatedCamera(RenderedScene(Stripes(), LENS), clock, SimulatedLens(LENS, clock))


def test_is_sharp_in_focus_and_blurred_elsewhere():
    subject = RenderedScene(Stripes(), LENS, noise=QUIET)
    sharp, near, far = (subject.expose(z, 0.0).std() for z in (0.5e-3, 0.53e-3, 0.56e-3))
    assert sharp > near > far


def test_a_still_scene_differs_by_its_noise_only():
    scene = Stripes()
    subject = RenderedScene(scene, LENS)
    first, second = subject.expose(0.5e-3, 0.0), subject.expose(0.5e-3, 1.0)
    difference = first.astype(int) - second
    assert 0 < difference.std() < 5
    assert scene.views == 1


def test_a_moving_scene_moves():
    subject = RenderedScene(Stripes(moving=True), LENS, noise=QUIET)
    first, later = subject.expose(0.5e-3, 0.0), subject.expose(0.5e-3, 0.8)
    np.testing.assert_allclose(first[:, 20:28].astype(int), later[:, 12:20].astype(int), atol=2)


def test_a_moved_camera_moves_what_the_lens_magnifies():
    lens = replace(LENS, breathing_per_metre=400.0)

    class Moved(Stripes):
        def view(self, seconds):
            return replace(super().view(0.0), shift=(10.0, 0.0))

    image = RenderedScene(Moved(moving=True), lens, noise=QUIET).expose(0.5e-3, 0.0)
    expected = 255 * magnify(Moved().view(0.0).settled().image, lens.magnification(0.5e-3))
    # Two interpolations in either order.
    assert np.abs(image[:, 16:-16] - expected[:, 16:-16]).mean() < 4


def test_noise_repeats_with_its_seed():
    images = [RenderedScene(Stripes(), LENS, seed=seed).expose(0.5e-3, 0.0) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()


def test_a_moving_lens_gives_the_mean_over_its_travel():
    subject = RenderedScene(Stripes(), LENS, noise=QUIET)
    ways = np.linspace(0.54e-3, 0.56e-3, 21)
    mean = np.mean([subject.expose(z, 0.0).astype(float) for z in ways], axis=0)
    moved = subject.expose(0.55e-3, 0.0, 0.02e-3)
    resting = subject.expose(0.55e-3, 0.0)
    assert np.abs(moved - mean).mean() < 0.4 * np.abs(resting - mean).mean()


def test_lens_and_sensor_can_be_those_of_a_real_camera():
    """A Gaussian blurs the stripes away, where a disk leaves some; Bayer noise is correlated."""
    contrast, correlation = [], []
    for spread, camera in ((None, None), (GaussianSpread(), SensorModel(read_noise=0.0))):
        scene = RenderedScene(Stripes(), LENS, noise=QUIET, spread=spread, camera=camera)
        contrast.append(scene.expose(0.38e-3, 0.0).astype(float).std())
    assert contrast[1] != pytest.approx(contrast[0], rel=0.05)
    for camera in (None, SensorModel(read_noise=8 / 255, demosaic="bilinear")):
        scene = RenderedScene(Stripes(), LENS, noise=SensorNoise(8 / 255, 0), camera=camera)
        first, second = (scene.expose(0.9e-3, 0.0).astype(float) for _ in range(2))
        assert first.shape == (48, 64, 3)[: first.ndim] and (first != second).any()
        noise = first - second
        correlation.append((noise[:, 1:] * noise[:, :-1]).mean() / noise.var())
    assert abs(correlation[0]) < 0.1 and correlation[1] > 0.2


@pytest.mark.parametrize("position", [0.4e-3, 0.6e-3])
def test_aberrated_lenses_see_the_side_of_focus(position):
    plain, aberrated = (
        RenderedScene(Stripes(), LENS, noise=QUIET, spread=spread).expose(position, 0.0)
        for spread in (Pupil(), Pupil(spherical=6.0))
    )
    other = RenderedScene(Stripes(), LENS, noise=QUIET, spread=Pupil(spherical=-6.0))
    assert (plain != aberrated).any()
    mirrored = other.expose(1e-3 - position, 0.0).astype(int)
    assert np.abs(mirrored - aberrated).max() <= 2
