from types import SimpleNamespace

import numpy as np
import pytest

from aif_ros.calibration.reading_curve import reading_curve
from aif_ros.calibration.sweep_calibration import (
    UndeterminedError,
    calibrate_pair,
    calibrate_sweep,
    measure_backlash,
)
from aif_ros.calibration.windows import WindowBlurs
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import to_float

# 20 px of blur radius per millimetre of travel, 3 % of magnification.
LENS = LensModel("test", 1e-6, (0.0, 1e-3), 20e3, 320, breathing_per_metre=30.0)
SIZE = (320, 240)
PICTURE = texture(SIZE, np.random.default_rng(0))


def photograph(position, focus=0.0, seed=0, picture=PICTURE):
    view = SceneView(picture, np.full(SIZE[::-1], focus, np.float32))
    return to_float(Sensor(seed=seed).expose(render(view, LENS, position)))


def test_two_photographs_give_blur_and_breathing():
    found = calibrate_pair(photograph(0.0), photograph(0.5e-3, seed=1), 0.5e-3)
    # Pixels are counted in the magnified photograph.
    assert found.blur_per_metre.value == pytest.approx(20e3 * 1.015, rel=0.04)
    assert found.blur_per_metre.low <= found.blur_per_metre.value <= found.blur_per_metre.high
    assert found.breathing_per_metre.low < 30.0 < found.breathing_per_metre.high
    assert found.depth_of_field.value == pytest.approx(1 / 20e3, rel=0.05)


def test_travel_downwards_is_the_same_lens():
    found = calibrate_pair(photograph(0.5e-3, 0.5e-3), photograph(0.0, 0.5e-3, 1), -0.5e-3)
    assert found.blur_per_metre.value == pytest.approx(20e3 * 1.015, rel=0.04)
    assert found.breathing_per_metre.low < 30.0 < found.breathing_per_metre.high


def test_sweep_over_a_scene_with_depth():
    focus = np.where(np.arange(SIZE[0]) < SIZE[0] // 2, 0.3e-3, 0.7e-3)
    view = SceneView(PICTURE, np.broadcast_to(focus, SIZE[::-1]).astype(np.float32))
    positions = np.linspace(0.0, 1e-3, 9)
    sensor = Sensor()
    slices = [to_float(sensor.expose(render(view, LENS, z))) for z in positions]
    found = calibrate_sweep(slices, list(positions))
    assert found.blur_per_metre.value == pytest.approx(20e3, rel=0.08)
    assert found.breathing_per_metre.value == pytest.approx(30.0, rel=0.1)
    model = found.lens_model("mine", (0.0, 1e-3), 1e-6)
    assert model.calibration_width == SIZE[0]
    assert model.blur_per_metre == found.blur_per_metre.value


@pytest.mark.parametrize("radius", [2.0, 6.0, 14.0])
def test_blur_between(radius):
    place = (slice(60, 160), slice(80, 220))
    sharp, blurred = photograph(0.0)[..., 1], photograph(radius / 20e3, seed=1)
    lens = LensModel("still", 1e-6, (0.0, 1e-3), 20e3, 320)
    view = SceneView(PICTURE, np.zeros(SIZE[::-1], np.float32))
    blurred = render(view, lens, radius / 20e3)[..., 1]
    assert WindowBlurs(sharp, place).radius(blurred) == pytest.approx(radius, rel=0.05)


class TestReadingCurve:
    positions = np.linspace(0.0, 1e-3, 41)

    def curve(self, reading, side=64):
        """Of four windows in focus at half the travel; slices hold what is to be read of them."""
        blur = np.abs(self.positions - 0.5e-3) * 20e3
        stack = np.ones((41, 6 * side, 8 * side), np.float32) * reading(blur)[:, None, None]
        followed = [((slice(0, side), slice(k * side, (k + 1) * side)), 0.5e-3) for k in range(4)]
        reader = SimpleNamespace(
            estimate_patch=lambda image: SimpleNamespace(radius=float(image.mean()))
        )
        return reading_curve(stack, self.positions, followed, 20e3, reader)

    def test_follows_the_readings(self):
        x, y = np.array(self.curve(lambda blur: np.float32(0.5 + 0.6 * blur))).T
        assert x[0] < 1 and x[-1] > 8
        np.testing.assert_allclose(y, 0.5 + 0.6 * x, atol=0.05)

    def test_rises_where_readings_fall(self):
        x, y = np.array(self.curve(lambda blur: np.float32(blur - 0.09 * blur**2))).T
        assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()

    def test_readings_all_alike_give_none(self):
        assert self.curve(lambda blur: np.full(41, 3.0, np.float32)) == ()

    def test_windows_too_small_for_the_networks_give_none(self):
        assert self.curve(lambda blur: np.float32(blur), side=32) == ()


class TestBacklash:
    def sweep(self, positions, delay, seed):
        return [photograph(max(z + delay, 0.0), 0.5e-3, seed) for z in positions]

    @pytest.mark.parametrize("backlash", [0.0, 1.2e-4])
    def test_from_a_sweep_there_and_back(self, backlash):
        positions = np.linspace(0.1e-3, 0.9e-3, 9)
        forth = self.sweep(positions, -backlash / 2, 1)
        back = self.sweep(positions, backlash / 2, 2)
        assert measure_backlash(forth, back, list(positions)) == pytest.approx(backlash, abs=2.5e-5)

    def test_nothing_to_see(self):
        flat = [np.full((120, 160), 0.5, np.float32)] * 3
        with pytest.raises(UndeterminedError, match="texture"):
            measure_backlash(flat, flat, [0.0, 1e-4, 2e-4])


class TestUndetermined:
    def test_no_texture(self):
        flat = np.full_like(PICTURE, 0.5)
        with pytest.raises(UndeterminedError, match="texture"):
            calibrate_pair(
                photograph(0.0, picture=flat), photograph(5e-4, 0.0, 1, picture=flat), 5e-4
            )

    def test_photographs_of_different_things(self):
        other = texture(SIZE, np.random.default_rng(9))
        with pytest.raises(UndeterminedError):
            calibrate_pair(photograph(0.0), photograph(5e-4, 0.0, 1, picture=other), 5e-4)

    def test_sweep_in_which_nothing_changes(self):
        slices = [photograph(0.0, seed=seed) for seed in range(4)]
        with pytest.raises(UndeterminedError):
            calibrate_sweep(slices, [0.0, 1e-4, 2e-4, 3e-4])

    @pytest.mark.parametrize("travel", [0.0, np.nan, np.inf])
    def test_travel_that_is_none(self, travel):
        with pytest.raises(ValueError, match="travel"):
            calibrate_pair(PICTURE, PICTURE, travel)
