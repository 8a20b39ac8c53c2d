from dataclasses import replace

import numpy as np
import pytest

from aif_ros.devices.backlash import BacklashCompensation, compensated
from aif_ros.devices.clock import SimulatedClock
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.simulated_camera import follow_with_backlash
from aif_ros.simulation.simulated_lens import SimulatedLens

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
BACKLASH = 4e-5


@pytest.fixture
def clock():
    return SimulatedClock()


def settle(lens, clock, optics):
    """Wait until the lens rests; return where optics with backlash about the motor are left."""
    for _ in range(100000):
        state = lens.state()
        optics = follow_with_backlash(state.position, optics, BACKLASH)
        if not state.moving:
            return state, optics
        clock.sleep(1e-3)
    raise AssertionError("the lens does not come to rest")


def test_the_optics_are_always_left_at_the_same_distance_from_the_motor(clock):
    lens = BacklashCompensation(SimulatedLens(LENS, clock, start=5e-4), BACKLASH)
    random = np.random.default_rng(0)
    optics = 5e-4
    for target in random.uniform(1e-4, 1e-3, 12):
        lens.move_to(target)
        state, optics = settle(lens, clock, optics)
        assert state.position == pytest.approx(target, abs=1e-6)
        assert state.position - optics == pytest.approx(BACKLASH / 2, abs=1e-9)


def test_rising_moves_are_not_longer_than_they_must_be(clock):
    lens = BacklashCompensation(SimulatedLens(LENS, clock, start=2e-4), BACKLASH)
    for target in (4e-4, 4.1e-4):
        lens.move_to(target)
        reached = []
        while (state := lens.state()).moving:
            reached.append(state.position)
            clock.sleep(1e-3)
        assert min(reached) >= 2e-4 - 1e-9 and np.diff(reached).min() >= 0


def test_it_counts_as_moving_until_the_second_leg_has_ended(clock):
    lens = BacklashCompensation(SimulatedLens(LENS, clock, start=8e-4), BACKLASH)
    lens.move_to(5e-4)
    lowest = 1.0
    while (state := lens.state()).moving:
        lowest = min(lowest, state.position)
        clock.sleep(1e-3)
    assert lowest == pytest.approx(5e-4 - 1.25 * BACKLASH, abs=2e-6)
    assert state.position == pytest.approx(5e-4, abs=1e-6)


def test_a_new_command_replaces_the_second_leg(clock):
    lens = BacklashCompensation(SimulatedLens(LENS, clock, start=8e-4), BACKLASH)
    lens.move_to(5e-4)
    lens.state()
    lens.move_to(9e-4)
    state, _ = settle(lens, clock, 8e-4)
    assert state.position == pytest.approx(9e-4, abs=1e-6)


def test_stop_cancels_the_second_move(clock):
    lens = BacklashCompensation(SimulatedLens(LENS, clock, start=8e-4), BACKLASH)
    lens.move_to(5e-4)
    lens.stop()
    state, _ = settle(lens, clock, 8e-4)
    assert state.position == pytest.approx(8e-4, abs=1e-5)


def test_backlash_must_be_a_length(clock):
    with pytest.raises(ValueError, match="backlash"):
        BacklashCompensation(SimulatedLens(LENS, clock), 0.0)


def test_a_calibration_with_backlash_asks_for_it(clock):
    lens = SimulatedLens(LENS, clock)
    assert compensated(lens, None) is lens
    assert compensated(lens, LENS) is lens
    assert isinstance(compensated(lens, replace(LENS, backlash=1e-5)), BacklashCompensation)
