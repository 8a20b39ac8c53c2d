import numpy as np
import pytest

from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.rig import Rig
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import LensState

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)


class Level:
    """An image as bright as the lens position is high."""

    size = (8, 6)

    def expose(self, position, seconds, travel=0.0):
        return np.full((6, 8), round(position * 1e5), np.uint8)


@pytest.fixture
def clock():
    return SimulatedClock(10**18)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock, speed=5e-3)


@pytest.fixture
def rig(clock, lens):
    return Rig(SimulatedCamera(Level(), clock, lens), lens, clock, LENS, exposure_time=0.01)


def test_a_frame_holds_the_position_of_its_exposure(rig):
    for position in (8e-4, 3e-4):
        rig.send(position)
        assert rig.settle().position == pytest.approx(position, abs=1e-6)
        frame = rig.frame()
        assert frame.position == pytest.approx(position, abs=1e-6)
        assert frame.image[0, 0] == round(position * 1e5)
        assert not frame.moving


def test_frames_are_captured_while_the_lens_moves(rig):
    rig.frame()
    rig.send(1e-3)
    frames = list(rig.frames_until_settled())
    assert any(frame.moving for frame in frames)
    assert [frame.position for frame in frames] == sorted(frame.position for frame in frames)


def test_observers_get_every_state_within_their_block(rig):
    states = []
    with rig.observed_by(states.append):
        rig.send(1e-4)
        rig.settle()
    count = len(states)
    rig.frame()
    assert count > 1
    assert len(states) == count
    assert states[-1].position == pytest.approx(1e-4, abs=1e-6)


def test_a_lens_that_does_not_come_to_rest_is_an_error(rig, lens, clock):
    lens.state = lambda: LensState(clock.now(), 1e-4, True)
    with pytest.raises(DeviceError, match="still moves after 10 s"):
        rig.settle()


def test_a_position_that_is_no_number_is_an_error(rig, lens, clock):
    lens.state = lambda: LensState(clock.now(), np.nan, False)
    with pytest.raises(DeviceError, match="nan as its position"):
        rig.settle()
