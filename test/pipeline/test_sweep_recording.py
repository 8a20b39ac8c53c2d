import re

import numpy as np
import pytest

from aif_ros.calibration.sweep_calibration import UndeterminedError
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import Capture, DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline import sweep_recording
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.sweep_recording import (
    calibrate_live,
    record_sweep,
    require_prompt_images,
)
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)


class Picture:
    """A subject that is given by a function of lens position."""

    size = (160, 120)

    def __init__(self, picture):
        self.picture = picture

    def expose(self, position, seconds, travel=0.0):
        return np.clip(self.picture(position), 0, 255).astype(np.uint8)


def rig(subject):
    clock = SimulatedClock()
    lens = SimulatedLens(LENS, clock)
    return Rig(SimulatedCamera(subject, clock, lens), lens, clock, LENS, exposure_time=0.01)


def noisy(picture, sigma=2.0):
    dice = np.random.default_rng(0)
    return lambda position: picture(position) + dice.normal(0, sigma, (120, 160))


def blurred(position):
    rows, columns = np.mgrid[0:120, 0:160]
    return 128 + 100 * np.exp(-2e3 * position) * np.sin(columns / 3) * np.sin(rows / 5)


def test_positions_ascend_and_images_differ():
    sweep = record_sweep(rig(Picture(noisy(blurred))), (0.0, 1.2e-3), 5)
    np.testing.assert_allclose(sweep.positions, np.linspace(0, 1.2e-3, 5))
    assert sweep.sharpest == 0


def test_a_lens_that_reports_motion_but_does_not_move_is_found_out():
    stuck = rig(Picture(noisy(lambda position: blurred(0.0))))
    with pytest.raises(
        DeviceError,
        match=r"reports that it moved from 0 to 0\.0012 m, but the image has not changed",
    ):
        record_sweep(stuck, (0.0, 1.2e-3), 5)


def test_also_without_noise():
    stuck = rig(Picture(lambda position: blurred(0.0)))
    with pytest.raises(DeviceError, match="the image has not changed"):
        record_sweep(stuck, (0.0, 1.2e-3), 5)


def test_a_dark_scene_is_called_so():
    dark = rig(Picture(noisy(lambda position: np.full((120, 160), 20.0))))
    with pytest.raises(DeviceError, match="nothing but noise: light the scene"):
        record_sweep(dark, (0.0, 1.2e-3), 5)


def test_flicker_is_not_taken_for_motion():
    brightness = iter(np.tile([1.0, 1.3], 50))
    flickering = rig(Picture(noisy(lambda position: next(brightness) * blurred(0.0) * 0.6)))
    with pytest.raises(DeviceError, match="the image has not changed"):
        record_sweep(flickering, (0.0, 1.2e-3), 5)


def test_more_slices_than_positions():
    with pytest.raises(DeviceError, match="did not take 9 different positions"):
        record_sweep(rig(Picture(noisy(blurred))), (0.0, 3e-6), 9)


def test_a_short_sweep_near_focus_is_not_blamed_on_the_motor(monkeypatch):
    def unclear(*arguments):
        raise UndeterminedError("unclear")

    def flat_near_focus(position):
        peak = 1 + 0.02 * np.exp(-(((position - 4e-4) / 1e-4) ** 2))
        return 128 + peak * (blurred(max(position - 8e-4, 0.0)) - 128)

    monkeypatch.setattr(sweep_recording, "calibrate_sweep", unclear)
    sweeps = []
    with pytest.raises(UndeterminedError, match="unclear"):
        calibrate_live(rig(Picture(noisy(flat_near_focus))), LENS.limits, 9, on_sweep=sweeps.append)
    assert len(sweeps) == 3


class LateCamera:
    """A stream whose images arrive, and are stamped, some seconds after their exposure."""

    def __init__(self, subject, clock, lens, seconds, period=0.05):
        self._subject, self._clock, self._lens = subject, clock, lens
        self._seconds, self._period = seconds, period
        self._moves = [(0, lens.state().position)]
        self.size = subject.size

    def capture(self):
        self._clock.sleep(self._period)
        return Capture(self._subject.expose(self._seen(), 0.0), self._clock.now())

    def watch(self, state):
        self._moves.append((state.stamp, state.position))

    def _seen(self):
        exposed = self._clock.now() - self._seconds * 1e9
        return next(
            (position for stamp, position in reversed(self._moves) if stamp <= exposed),
            self._moves[0][1],
        )

    def close(self):
        pass


def late_sweep(seconds, settling_time):
    clock = SimulatedClock()
    lens = SimulatedLens(LENS, clock, speed=5e-4, settling_time=settling_time)
    camera = LateCamera(Picture(noisy(blurred)), clock, lens, seconds)
    late = Rig(camera, lens, clock, LENS, exposure_time=0.01)
    with late.observed_by(camera.watch):
        late.send(LENS.limits[1])
        late.settle()
        require_prompt_images(late, record_sweep(late, LENS.limits, 5))


@pytest.mark.parametrize("seconds", [0.2, 1.0])
def test_a_camera_whose_images_come_late(seconds):
    with pytest.raises(DeviceError, match="the images come late") as caught:
        late_sweep(seconds, settling_time=0.01)
    longer = float(re.search(r"URI of the lens ([\d.]+) s longer", str(caught.value))[1])
    assert seconds <= longer < 2 * seconds + 0.2
    late_sweep(seconds, settling_time=0.01 + longer)


class Wall:
    """A flat, textured subject in focus at 0.4 mm, rendered as an optical model says."""

    size = (256, 192)
    lens = LensModel("true", 1e-6, LENS.limits, 8e4, 256)

    def __init__(self):
        focus = np.full(self.size[::-1], 4e-4, np.float32)
        self.view = SceneView(texture(self.size, np.random.default_rng(2)), focus)
        self.sensor = Sensor()

    def expose(self, position, seconds, travel=0.0):
        return self.sensor.expose(render(self.view, self.lens, position))


def test_sweeps_close_in_until_they_determine_the_lens(monkeypatch):
    """Over the whole travel the blur reaches 88 px: only a shorter sweep can be measured."""
    short = sweep_recording.RecordingSettings(watched=0.1)
    monkeypatch.setattr(sweep_recording, "SETTINGS", short)  # rendering takes longer than that
    sweeps = []
    calibration = calibrate_live(rig(Wall()), LENS.limits, 13, on_sweep=sweeps.append)
    assert calibration.blur_per_metre.value == pytest.approx(8e4, rel=0.1)
    assert 1 <= len(sweeps) <= 3
    best = sweeps[-1].positions[sweeps[-1].sharpest]
    assert best == pytest.approx(4e-4, abs=1e-4)
