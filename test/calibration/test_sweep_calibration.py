import numpy as np
import pytest
from sweep_photographs import LENS, PICTURE, SIZE, photograph

from aif_ros.calibration.sweep_calibration import (
    UndeterminedError,
    calibrate_pair,
    calibrate_sweep,
    measure_backlash,
)
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import to_float


def test_two_photographs_give_blur_and_breathing():
    found = calibrate_pair(photograph(0.0), photograph(0.5e-3, seed=1), 0.5e-3)
    # Pixels are counted in the magnified photograph.
    assert found.blur_per_metre.value == pytest.approx(20e3 * 1.015, rel=0.04)
    assert found.blur_per_metre.low <= found.blur_per_metre.value <= found.blur_per_metre.high
    assert found.breathing_per_metre.low < 30.0 < found.breathing_per_metre.high
    assert found.half_depth_of_focus.value == pytest.approx(1 / 20e3, rel=0.05)


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
