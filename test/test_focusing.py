"""Single-shot autofocus on simulated devices."""

import numpy as np
import pytest

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.rig import Rig
from aif_ros.devices.simulated_camera import SimulatedCamera
from aif_ros.devices.simulated_lens import SimulatedLens
from aif_ros.focusing import focus_window
from aif_ros.frame import LensState, Window
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.render import Sensor, render
from aif_ros.scenes.planes import texture
from aif_ros.scenes.scene import SceneView

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 20e3, 160)
VIEW = SceneView(
    texture((160, 120), np.random.default_rng(1)),
    np.where(np.arange(160) < 80, 0.3e-3, 0.7e-3).astype(np.float32)[None].repeat(120, axis=0),
)


class TwoPlanes:
    """In focus at 0.3 mm on the left, at 0.7 mm on the right."""

    size = (160, 120)

    def __init__(self):
        self.sensor = Sensor()

    def expose(self, position, seconds):
        return self.sensor.expose(render(VIEW, LENS, position))


@pytest.fixture
def clock():
    return SimulatedClock(10**18)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock)


@pytest.fixture
def rig(clock, lens):
    return Rig(SimulatedCamera(TwoPlanes(), clock, lens), lens, clock, exposure_time=0.01)


@pytest.mark.parametrize("name", ["neural", "fibonacci", "rule_based"])
@pytest.mark.parametrize(
    "window, focus", [(Window(4, 10, 68, 100), 0.3e-3), (Window(90, 10, 66, 100), 0.7e-3)]
)
def test_brings_the_window_into_focus(rig, lens, name, window, focus):
    run = focus_window(rig, make_search(name, LENS), LENS, window, start=0.5e-3)
    assert run.focused
    assert abs(run.position - focus) <= 1.2 * LENS.depth_of_field(160)
    assert lens.state().position == pytest.approx(run.position, abs=1e-6)
    assert len(run.looks) <= 14


def test_default_window_is_the_centre(rig):
    run = focus_window(rig, make_search("fibonacci", LENS), LENS)
    assert run.looks


def test_range_and_start_are_kept(rig):
    search = make_search("fibonacci", LENS)
    limits = (0.5e-3, 0.9e-3)
    run = focus_window(rig, search, LENS, Window(90, 10, 60, 100), limits=limits, start=0.6e-3)
    assert run.looks[0].position == pytest.approx(0.6e-3)
    assert all(limits[0] <= look.position <= limits[1] for look in run.looks)


def test_every_look_is_reported(rig):
    frames = []
    window = Window(90, 10, 60, 100)
    run = focus_window(rig, make_search("fibonacci", LENS), LENS, window, on_look=frames.append)
    assert [frame.position for frame in frames] == [look.position for look in run.looks]


def test_window_outside_the_image(rig):
    with pytest.raises(ValueError, match="160x120"):
        focus_window(rig, make_search("fibonacci", LENS), LENS, Window(100, 0, 100, 50))


def test_lens_that_stalls(rig, lens):
    lens.stall()
    with pytest.raises(DeviceError, match="stalled"):
        focus_window(rig, make_search("fibonacci", LENS), LENS, Window(90, 10, 60, 100))


def test_lens_that_lies(clock, lens):
    """It says that it has arrived, somewhere else."""

    class Liar(SimulatedLens):
        def state(self):
            state = super().state()
            return LensState(state.stamp, 0.5 * state.position, state.moving)

    liar = Liar(LENS, clock)
    rig = Rig(SimulatedCamera(TwoPlanes(), clock, liar), liar, clock)
    with pytest.raises(DeviceError, match="rests at"):
        focus_window(rig, make_search("fibonacci", LENS), LENS, Window(90, 10, 60, 100))
