from dataclasses import replace

import pytest
from lens_contract import LensContract

from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import DeviceError
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.simulated_lens import SimulatedLens, open_simulated_lens

LENS = LensModel("test", 1e-6, (0.0, 1.0e-3), 90000.0, 3840)


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def lens(clock):
    return SimulatedLens(LENS, clock, speed=5e-3, settling_time=0.02)


class TestContract(LensContract):
    resolution = 0.5e-6


class TestContractWithRests(LensContract):
    resolution = 0.25e-3

    @pytest.fixture
    def lens(self, clock):
        return SimulatedLens(LENS, clock, rests=[0.0, 0.2e-3, 0.5e-3, 1.0e-3])


class TestMotion:
    def test_moves_at_its_speed_then_settles(self, lens, clock):
        lens.move_to(1.0e-3)
        assert lens.state().moving
        clock.sleep(0.1)
        assert lens.state().position == pytest.approx(0.5e-3)
        clock.sleep(0.1)
        assert lens.state().position == 1.0e-3
        assert lens.state().moving
        clock.sleep(0.02)
        assert not lens.state().moving

    def test_rests_on_whole_steps(self, lens, clock):
        lens.move_to(123.4e-6)
        clock.sleep(1.0)
        assert lens.state().position == pytest.approx(123e-6, abs=1e-12)

    def test_rests_only_where_it_can(self, clock):
        lens = SimulatedLens(LENS, clock, rests=[0.1e-3, 0.9e-3])
        lens.move_to(0.6e-3)
        clock.sleep(1.0)
        assert lens.state().position == 0.9e-3

    def test_a_command_to_where_it_is_moves_nothing(self, lens):
        lens.move_to(0.0)
        assert not lens.state().moving

    def test_stop_during_a_move(self, lens, clock):
        lens.move_to(1.0e-3)
        clock.sleep(0.1)
        lens.stop()
        clock.sleep(1.0)
        assert lens.state().position == pytest.approx(0.5e-3, abs=1e-6)

    def test_turning_round_starts_from_where_it_is(self, lens, clock):
        lens.move_to(1.0e-3)
        clock.sleep(0.1)
        lens.move_to(0.0)
        clock.sleep(0.05)
        assert lens.state().position == pytest.approx(0.25e-3)


class TestStall:
    def test_is_reported_after_the_timeout(self, lens, clock):
        lens.move_to(1.0e-3)
        clock.sleep(0.1)
        lens.stall()
        clock.sleep(0.2)
        assert lens.state().moving
        assert lens.state().position == pytest.approx(0.5e-3)
        clock.sleep(1.0)
        with pytest.raises(DeviceError, match=r"at 0\.000500 m while moving to 0\.001000 m"):
            lens.state()

    def test_of_a_resting_lens_shows_at_the_next_command(self, lens, clock):
        lens.stall()
        clock.sleep(5.0)
        assert not lens.state().moving
        lens.move_to(0.5e-3)
        clock.sleep(5.0)
        with pytest.raises(DeviceError, match="stalled"):
            lens.state()

    def test_commanding_it_again_tries_again(self, lens, clock):
        lens.stall()
        lens.move_to(0.5e-3)
        clock.sleep(5.0)
        lens.move_to(0.5e-3)
        assert lens.state().moving
        clock.sleep(5.0)
        with pytest.raises(DeviceError, match="stalled"):
            lens.state()

    def test_a_freed_lens_moves_again(self, lens, clock):
        lens.move_to(1.0e-3)
        clock.sleep(0.1)
        lens.stall()
        clock.sleep(5.0)
        lens.unstall()
        assert lens.state().position == pytest.approx(0.5e-3, abs=1e-6)
        lens.move_to(0.2e-3)
        clock.sleep(1.0)
        assert lens.state().position == pytest.approx(0.2e-3)


@pytest.mark.parametrize(
    "wrong",
    [{"speed": 0.0}, {"speed": float("nan")}, {"settling_time": -1.0}, {"stall_timeout": -1.0}],
)
def test_numbers_out_of_range_are_refused_by_name(clock, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SimulatedLens(LENS, clock, **wrong)


def test_a_start_outside_the_limits_is_refused(clock):
    with pytest.raises(ValueError, match="within the limits"):
        SimulatedLens(LENS, clock, start=2.0e-3)


class TestOpen:
    def test_the_slices_of_a_long_rail_are_reached_in_seconds(self, clock):
        rail = LensModel("rail", 0.1, (0.0, 0.4), 1e3, 640)
        _, lens = open_simulated_lens(rail, clock, rests=[0.0, 0.2, 0.4], speed=0.05)
        lens.move_to(0.4)
        clock.sleep(2.1)
        assert lens.state().position == 0.4
        assert not lens.state().moving

    def test_a_scene_is_focused_at_the_speed_of_the_motor(self, clock):
        _, lens = open_simulated_lens(LENS, clock, speed=1e-4, settling_time=0.0)
        lens.move_to(1.0e-3)
        clock.sleep(2.1)
        assert lens.state().position == pytest.approx(0.21e-3)

    def test_backlash_is_compensated(self, clock):
        motor, lens = open_simulated_lens(replace(LENS, backlash=50e-6), clock)
        lens.move_to(0.5e-3)
        clock.sleep(1.0)
        lens.move_to(0.2e-3)
        clock.sleep(1.0)
        assert motor.state().position < 0.2e-3
        assert lens.state().moving
        clock.sleep(1.0)
        assert lens.state().position == pytest.approx(0.2e-3)
